"""What a worker does with a film: plan it, analyse chunk after chunk, finish it.

Each call is one step of a job and may be repeated after a crash, here or in another process: what
was stored is found and left alone. Knows no queue: `jobs` decides when a step is called.
"""

import logging
import time
from collections.abc import Callable, Collection
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, replace
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from app.db import films, frames, runs
from app.db.session import Database
from app.domain.films import FilmStatus, Sampling, Stage
from app.domain.library import (
    ChunkRecord,
    Film,
    chunk_features_prefix,
    film_prefix,
    thumbnail_key,
)
from app.domain.plan import FINISH_PIECE, PROBE_PIECE, Plan, Wish, cut_into_spans
from app.domain.shots import ScoredShot
from app.errors import (
    Cancelled,
    DatabaseUnavailable,
    NoFrames,
    OperationalError,
    ReeltagError,
    TooManyCorruptFrames,
)
from app.pipeline import analyse_span, summarise
from app.ports import FilmReader, FrameClassifier, JobQueue, ObjectStore, ReadReport
from app.services.features import DamagedFeatures, merge_features, write_chunk_features
from app.services.model_in_use import ModelInUse
from app.services.rescoring import Rescoring
from app.services.tries import Tries
from models.manifest import Manifest

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
        models: The loaded model, which scores key frames.
    """

    database: Database
    storage: ObjectStore
    jobs: JobQueue
    reader: FilmReader
    models: ModelInUse


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
        self._models = parts.models
        self._executor_id = executor_id
        self._chunk_s = chunk_s
        self._tries = Tries(parts.database, executor_id)
        self._rescoring = Rescoring(parts.database, parts.storage, executor_id)

    def plan(
        self, film_id: str, run: int, check: Callable[[], None], wish: Wish = Wish.DECODE
    ) -> Plan:
        """Cut the film into chunks: by its length, or by what an earlier run left to score again.

        A model that was activated meanwhile is loaded first. A film whose stored features cannot
        be used begins anew, to be decoded.

        Raises:
            VideoError: It is no film, or one beyond the limits.
            Cancelled: The run is no longer wanted.
        """
        film = self._wanted(film_id, run)
        self._models.refresh()
        with self._models.hold() as classifier:
            manifest = classifier.manifest
        if wish is Wish.FEATURES:
            self._show(film_id, run, Stage.ANALYSING, 0.0)
            plan = self._rescoring.plan(film, manifest)
            if plan is None:
                self._begin_anew(film, Wish.DECODE_LATER, "its stored features cannot be used")
            return plan
        with self._tries.attempt(film_id, run, PROBE_PIECE, check):
            self._show(film_id, run, Stage.PROBING, 0.0)
            with self._storage.local_file(film.source_key) as path:
                probe = self._parts.reader.probe(path)
            with self._database.session(write=True) as session:
                if not films.store_probe(session, film_id, run, probe):
                    raise Cancelled("the run is no longer wanted")
        return Plan(cut_into_spans(probe.duration_s, self._chunk_s), manifest.version)

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
        with (
            self._models.hold() as classifier,
            self._attempt(film_id, run, plan, chunk, check),
        ):
            self._require_model(film, plan, classifier.manifest)
            if plan.source_run is None:
                record, shots, keys = self._look_at(film, plan, chunk, classifier, check)
            else:
                record, shots, keys = self._score_again(film, plan, chunk, classifier)
            with self._database.session(write=True) as session:
                if frames.store_chunk(session, film_id, run, record, shots, keys):
                    return
        self._wanted(film_id, run)  # stored by another worker, or no longer wanted

    def finish(self, film_id: str, run: int, plan: Plan) -> None:
        """Make the film's tags from its chunks and show the run to readers, all at once.

        Raises:
            NoFrames: Not one frame could be decoded.
            TooManyCorruptFrames: More frames were damaged than whole, over all chunks.
            Cancelled: The run is no longer wanted.
        """
        with self._database.session() as session:
            film = films.find_film(session, film_id)
        if film is not None and film.status is FilmStatus.DONE and film.shown_run == run:
            with self._database.session() as session:
                kept = runs.picture_runs(session, film_id, run)
            self._sweep(film, 1, kept)
            return
        film = self._wanted(film_id, run)
        self._models.refresh()
        with self._models.hold() as classifier:
            manifest = classifier.manifest
        self._require_model(film, plan, manifest)
        with self._attempt(film_id, run, plan, FINISH_PIECE, lambda: None):
            if plan.source_run is None:
                self._show(film_id, run, Stage.AGGREGATING, ANALYSED)
            with self._database.session() as session:
                shots = frames.load_scored_shots(session, film_id, run)
                places = frames.frame_places(session, film_id, run)
                decoded, corrupt = frames.count_frames(session, film_id, run)
            if not shots:
                raise NoFrames("not one frame of the film could be decoded")
            if corrupt > decoded:
                raise TooManyCorruptFrames(f"{corrupt} of {decoded + corrupt} frames are damaged")
            tags, segments = summarise(shots, manifest)
            mean = self._gather_features(film, plan, manifest, places)
            with self._database.session(write=True) as session:
                shown_before = runs.picture_runs(session, film_id, film.shown_run)
                shown = frames.finish_run(
                    session, film_id, run, manifest.version, manifest.base_id, tags, segments, mean
                )
                kept = runs.picture_runs(session, film_id, run)
        if not shown:
            raise Cancelled("the run is no longer wanted")
        self._sweep(film, min(shown_before | {film.shown_run or 1}), kept)

    def fail(self, film_id: str, run: int, error: ReeltagError) -> None:
        """Record why the film cannot be analysed; nothing changes where the run has ended."""
        with self._database.session(write=True) as session:
            films.set_status(session, film_id, run, FilmStatus.FAILED, error=error)

    def _attempt(
        self, film_id: str, run: int, plan: Plan, piece: int, check: Callable[[], None]
    ) -> AbstractContextManager[None]:
        """Count the tries of a decoder; stored features kill no worker, and counting takes time."""
        if plan.source_run is not None:
            return nullcontext()
        return self._tries.attempt(film_id, run, piece, check)

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

    def _require_model(self, film: Film, plan: Plan, manifest: Manifest) -> None:
        """Queue another run in place of one that was begun with another model."""
        if plan.model_version != manifest.version:
            wish = Wish.DECODE if plan.source_run is None else Wish.FEATURES
            self._begin_anew(film, wish, "begun with another model")

    def _begin_anew(self, film: Film, wish: Wish, reason: str) -> NoReturn:
        with self._database.session(write=True) as session:
            if films.lock_active_run(session, film.id, film.run):
                anew = films.begin_run(session, film.id)
                if anew is not None:
                    self._parts.jobs.enqueue(session, film.id, anew.run, wish)
        raise Cancelled(f"{reason}; a new run was queued")

    def _look_at(
        self,
        film: Film,
        plan: Plan,
        chunk: int,
        classifier: FrameClassifier,
        check: Callable[[], None],
    ) -> tuple[ChunkRecord, list[ScoredShot], list[str]]:
        """Return a chunk's shots without their thumbnails, and where those were stored."""
        watch = _Watch(self._show, film, check)
        report = ReadReport()
        span = plan.spans[chunk]
        shots: list[ScoredShot] = []
        keys: list[str] = []
        features: list[NDArray[np.float16]] = []
        with self._storage.local_file(film.source_key) as path:
            for scored in analyse_span(
                path, span, Sampling.parse(film.sampling), self._parts.reader,
                classifier, report, watch.at,
            ):  # fmt: skip
                for frame in scored.frames:
                    key = thumbnail_key(film.id, film.run, chunk, len(keys))
                    self._storage.put_bytes(key, frame.thumbnail)
                    keys.append(key)
                    features.append(frame.features)
                light = tuple(replace(frame, thumbnail=b"") for frame in scored.frames)
                shots.append(replace(scored, frames=light))
        if features:
            write_chunk_features(self._storage, film, chunk, features)
        watch.at(report.end_s)
        record = ChunkRecord(
            chunk, span.start_s, span.end_s, report.end_s, report.frame_count,
            report.corrupt_count, tuple(report.warnings), self._executor_id,
        )  # fmt: skip
        return record, shots, keys

    def _score_again(
        self, film: Film, plan: Plan, chunk: int, classifier: FrameClassifier
    ) -> tuple[ChunkRecord, list[ScoredShot], list[str]]:
        """Return what the source run found, with the scores of the loaded model."""
        if chunk:
            self._show(film.id, film.run, Stage.ANALYSING, ANALYSED * chunk / len(plan.spans))
        try:
            return self._rescoring.score_chunk(
                film, plan.source_run or 0, plan.spans[chunk], chunk, classifier
            )
        except DamagedFeatures as exc:
            self._begin_anew(film, Wish.DECODE_LATER, str(exc))

    def _gather_features(
        self, film: Film, plan: Plan, manifest: Manifest, places: list[tuple[int, int]]
    ) -> NDArray[np.float32]:
        """Make the run's one object of features; return their mean."""
        if plan.source_run is None:
            size = manifest.feature_size
            return merge_features(self._storage, film, manifest.base_id, size, places)
        try:
            return self._rescoring.take_features(film, plan.source_run, manifest)
        except DamagedFeatures as exc:
            self._begin_anew(film, Wish.DECODE_LATER, str(exc))

    def _sweep(self, film: Film, first_run: int, kept: Collection[int]) -> None:
        """Delete objects that no row needs any more; what is missed only takes space.

        Args:
            film: The film.
            first_run: The oldest run that may have left something.
            kept: Runs whose pictures are shown; none: another run has taken over, which sweeps.
        """
        prefix = film_prefix(film.id)
        if not kept:
            return
        with suppress(OperationalError):
            self._storage.delete_prefix(chunk_features_prefix(film.id, film.run))
            for run in range(first_run, film.run):
                self._storage.delete_prefix(f"{prefix}features/{run}/")
                if run not in kept:
                    self._storage.delete_prefix(f"{prefix}frames/{run}/")


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
