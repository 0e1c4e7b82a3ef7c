"""What a worker does with a film: plan it, analyse chunk after chunk, finish it.

Each call is one step of a job and may be repeated after a crash, here or in another process: what
was stored is found and left alone. Knows no queue: `jobs` decides when a step is called.
"""

import io
import logging
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from app.db import films, frames
from app.db.session import Database
from app.domain.films import FilmStatus, Sampling, Stage
from app.domain.library import (
    ChunkRecord,
    Film,
    chunk_features_key,
    chunk_features_prefix,
    features_key,
    film_prefix,
    thumbnail_key,
)
from app.domain.plan import FINISH_PIECE, PROBE_PIECE, Plan, cut_into_spans
from app.domain.shots import ScoredShot
from app.errors import Cancelled, DatabaseUnavailable, NoFrames, OperationalError, ReeltagError
from app.pipeline import analyse_span, summarise
from app.ports import FilmReader, FrameClassifier, JobQueue, ObjectStore, ReadReport
from app.services.tries import Tries

logger = logging.getLogger(__name__)

LOOK_EVERY_S = 0.5
"""How often progress is written and a cancel noticed."""

ANALYSED = 0.99
"""Progress when the last frame was seen; the rest is for the film's tags."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What the analysis works with.

    Attributes:
        database: Holds the films.
        storage: Holds their bytes, thumbnails and features.
        jobs: Where a run that must begin anew is queued.
        reader: Decodes films.
        classifier: Scores key frames.
    """

    database: Database
    storage: ObjectStore
    jobs: JobQueue
    reader: FilmReader
    classifier: FrameClassifier


class Analysis:
    """Analyses films for one worker process; safe from any thread. A `jobs.AnalysisHandler`.

    Args:
        parts: What it works with.
        executor_id: The worker process.
        chunk_s: Seconds of film between two checkpoints.
    """

    def __init__(self, parts: Parts, executor_id: str, chunk_s: float) -> None:
        self._parts = parts
        self._database = parts.database
        self._storage = parts.storage
        self._manifest = parts.classifier.manifest
        self._executor_id = executor_id
        self._chunk_s = chunk_s
        self._tries = Tries(parts.database, executor_id)

    def plan(self, film_id: str, run: int, check: Callable[[], None]) -> Plan:
        """Probe the film and cut it into chunks.

        Raises:
            VideoError: It is no film, or one beyond the limits.
            Cancelled: The run is no longer wanted.
        """
        film = self._wanted(film_id, run)
        with self._tries.attempt(film_id, run, PROBE_PIECE, check):
            self._show(film_id, run, Stage.PROBING, 0.0)
            with self._storage.local_file(film.source_key) as path:
                probe = self._parts.reader.probe(path)
            with self._database.session(write=True) as session:
                if not films.store_probe(session, film_id, run, probe):
                    raise Cancelled("the run is no longer wanted")
        return Plan(cut_into_spans(probe.duration_s, self._chunk_s), self._manifest.version)

    def analyse_chunk(
        self, film_id: str, run: int, plan: Plan, chunk: int, check: Callable[[], None]
    ) -> None:
        """Analyse and store one chunk; nothing is done where it is stored already.

        Thumbnails and features are written first, under names that follow from the chunk, then all
        rows at once: whoever dies between leaves objects that the next try replaces.

        Raises:
            VideoError: The film cannot be decoded.
            Cancelled: The run is no longer wanted.
        """
        film = self._wanted(film_id, run)
        with self._database.session() as session:
            if frames.chunk_is_stored(session, film_id, run, chunk):
                return
        if plan.model_version != self._manifest.version:
            self._begin_anew(film)
        with self._tries.attempt(film_id, run, chunk, check):
            report = ReadReport()
            shots, keys = self._look_at(film, plan, chunk, report, check)
            span = plan.spans[chunk]
            record = ChunkRecord(
                chunk, span.start_s, span.end_s, report.end_s, report.frame_count,
                report.corrupt_count, tuple(report.warnings), self._executor_id,
            )  # fmt: skip
            with self._database.session(write=True) as session:
                if frames.store_chunk(session, film_id, run, record, shots, keys):
                    return
        self._wanted(film_id, run)  # stored by another worker, or no longer wanted

    def finish(self, film_id: str, run: int, plan: Plan) -> None:
        """Make the film's tags from its chunks and show the run to readers, all at once.

        Raises:
            NoFrames: Not one frame could be decoded.
            Cancelled: The run is no longer wanted.
        """
        with self._database.session() as session:
            film = films.find_film(session, film_id)
        if film is not None and film.status is FilmStatus.DONE and film.shown_run == run:
            self._sweep(film, first_run=1)
            return
        film = self._wanted(film_id, run)
        if plan.model_version != self._manifest.version:
            self._begin_anew(film)
        with self._tries.attempt(film_id, run, FINISH_PIECE, lambda: None):
            self._show(film_id, run, Stage.AGGREGATING, ANALYSED)
            with self._database.session() as session:
                shots = frames.load_scored_shots(session, film_id, run)
                places = frames.frame_places(session, film_id, run)
            if not shots:
                raise NoFrames("not one frame of the film could be decoded")
            tags, _ = summarise(shots, self._manifest)
            self._merge_features(film, places)
            with self._database.session(write=True) as session:
                shown = frames.finish_run(
                    session, film_id, run, self._manifest.version, self._manifest.base_id, tags
                )
        if not shown:
            raise Cancelled("the run is no longer wanted")
        self._sweep(film, first_run=film.shown_run or 1)

    def fail(self, film_id: str, run: int, error: ReeltagError) -> None:
        """Record why the film cannot be analysed; nothing changes where the run has ended."""
        with self._database.session(write=True) as session:
            films.set_status(session, film_id, run, FilmStatus.FAILED, error=error)

    def _wanted(self, film_id: str, run: int) -> Film:
        """Return the film of an active run, else raise `Cancelled`."""
        with self._database.session() as session:
            film = films.find_film(session, film_id)
        if film is None:
            raise Cancelled("the film was deleted")
        if film.run != run or film.status.is_final:
            raise Cancelled("the run was cancelled or replaced")
        return film

    def _show(self, film_id: str, run: int, stage: Stage, progress: float) -> None:
        """Write where the run stands; raise `Cancelled` where nobody wants it any more."""
        with self._database.session(write=True) as session:
            if not films.set_progress(session, film_id, run, stage, progress):
                raise Cancelled("the run was cancelled, replaced or deleted")

    def _begin_anew(self, film: Film) -> None:
        """Queue another run in place of one that was begun with another model."""
        with self._database.session(write=True) as session:
            if films.lock_active_run(session, film.id, film.run):
                anew = films.begin_run(session, film.id)
                if anew is not None:
                    self._parts.jobs.enqueue(session, film.id, anew.run)
        raise Cancelled("begun with another model; a new run was queued")

    def _look_at(
        self, film: Film, plan: Plan, chunk: int, report: ReadReport, check: Callable[[], None]
    ) -> tuple[list[ScoredShot], list[str]]:
        """Return a chunk's shots without their thumbnails, and where those were stored."""
        watch = _Watch(self._show, film, check)
        shots: list[ScoredShot] = []
        keys: list[str] = []
        features: list[NDArray[np.float16]] = []
        with self._storage.local_file(film.source_key) as path:
            for scored in analyse_span(
                path, plan.spans[chunk], Sampling.parse(film.sampling), self._parts.reader,
                self._parts.classifier, report, watch.at,
            ):  # fmt: skip
                for frame in scored.frames:
                    key = thumbnail_key(film.id, film.run, chunk, len(keys))
                    self._storage.put_bytes(key, frame.thumbnail)
                    keys.append(key)
                    features.append(frame.features)
                light = tuple(replace(frame, thumbnail=b"") for frame in scored.frames)
                shots.append(replace(scored, frames=light))
        if features:
            key = chunk_features_key(film.id, film.run, chunk)
            self._storage.put_bytes(key, _to_npy(np.stack(features)))
        watch.at(report.end_s)
        return shots, keys

    def _merge_features(self, film: Film, places: Sequence[tuple[int, int]]) -> None:
        """Make one object of the chunks' features, rows in the order of the frames' numbers."""
        shape = (len(places), self._manifest.feature_size)
        with tempfile.TemporaryDirectory(prefix="reeltag-") as folder:
            path = Path(folder) / "features.npy"
            with path.open("wb") as file:
                header = {"descr": "<f2", "fortran_order": False, "shape": shape}
                np.lib.format.write_array_header_1_0(file, header)
                for rows in self._feature_rows(film, places):
                    file.write(rows.astype("<f2").tobytes())
            self._storage.put_file(features_key(film.id, film.run, self._manifest.base_id), path)

    def _feature_rows(
        self, film: Film, places: Sequence[tuple[int, int]]
    ) -> Iterator[NDArray[np.float16]]:
        """Give the feature row of each place, one chunk in memory at a time."""
        loaded: int | None = None
        rows = np.empty((0, self._manifest.feature_size), np.float16)
        for chunk, place in places:
            if chunk != loaded:
                key = chunk_features_key(film.id, film.run, chunk)
                rows = np.load(io.BytesIO(self._storage.get_bytes(key)), allow_pickle=False)
                loaded = chunk
            yield rows[place]

    def _sweep(self, film: Film, first_run: int) -> None:
        """Delete objects that no row needs any more; what is missed only takes space."""
        prefix = film_prefix(film.id)
        with suppress(OperationalError):
            self._storage.delete_prefix(chunk_features_prefix(film.id, film.run))
            for run in range(first_run, film.run):
                self._storage.delete_prefix(f"{prefix}frames/{run}/")
                self._storage.delete_prefix(f"{prefix}features/{run}/")


class _Watch:
    """Turns the decoder's position into progress, and asks whether to go on."""

    def __init__(
        self,
        show: Callable[[str, int, Stage, float], None],
        film: Film,
        check: Callable[[], None],
    ) -> None:
        self._show = show
        self._film = film
        self._check = check
        self._looked_s = float("-inf")

    def at(self, position_s: float) -> None:
        """Note that the film is decoded up to `position_s`; raise where it is to be left."""
        self._check()
        now_s = time.monotonic()
        if now_s - self._looked_s < LOOK_EVERY_S:
            return
        self._looked_s = now_s
        duration_s = self._film.duration_s
        share = min(1.0, max(0.0, position_s / duration_s)) if duration_s else 0.0
        try:
            self._show(self._film.id, self._film.run, Stage.ANALYSING, ANALYSED * share)
        except DatabaseUnavailable as exc:
            logger.warning("progress could not be written: %s", exc)  # the chunk may still end


def _to_npy(rows: NDArray[np.float16]) -> bytes:
    stream = io.BytesIO()
    np.save(stream, rows, allow_pickle=False)
    return stream.getvalue()
