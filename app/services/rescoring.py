"""Tags a film anew from the features that are stored: nothing is decoded.

A model with the same convolutional base sees the same features, so only what stands behind them
has to be run. Shots, key frames and pictures are those of the run that readers see. Knows no
queue, and decides neither when a film is tagged anew nor what follows where that cannot be.
"""

from collections.abc import Sequence
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from app.db import frames, runs
from app.db.session import Database
from app.domain.library import ChunkRecord, Film, features_key
from app.domain.plan import Plan, join_spans
from app.domain.shots import ScoredFrame, ScoredShot, Shot, Span
from app.ports import FrameClassifier, ObjectStore
from app.services.features import (
    ROWS_AT_ONCE,
    DamagedFeatures,
    copy_features,
    features_are_whole,
    read_features,
)
from models.manifest import Manifest

FRAMES_AT_ONCE = ROWS_AT_ONCE
"""Key frames between two checkpoints: about an hour of film, some tenths of a second of work."""


class Rescoring:
    """Takes the shown run of a film over into its current one, with new scores.

    Args:
        database: Where the rows are.
        storage: Where the features are.
        executor_id: The worker process.
    """

    def __init__(self, database: Database, storage: ObjectStore, executor_id: str) -> None:
        self._database = database
        self._storage = storage
        self._executor_id = executor_id

    def plan(self, film: Film, manifest: Manifest) -> Plan | None:
        """Cut the work into chunks; None where the film has to be decoded.

        Args:
            film: The film, its current run still empty.
            manifest: The model that is to score.
        """
        source_run = film.shown_run
        if source_run is None or film.base_id != manifest.base_id:
            return None
        with self._database.session() as session:
            chunks = frames.load_chunks(session, film.id, source_run)
            counts = runs.frame_counts(session, film.id, source_run)
        shape = (sum(counts.values()), manifest.feature_size)
        key = features_key(film.id, source_run, manifest.base_id)
        if not shape[0] or not features_are_whole(self._storage, key, shape):
            return None
        spans = [Span(chunk.start_s, chunk.end_s) for chunk in chunks]
        sizes = [counts.get(chunk.chunk, 0) for chunk in chunks]
        return Plan(join_spans(spans, sizes, FRAMES_AT_ONCE), manifest.version, source_run)

    def score_chunk(
        self, film: Film, source_run: int, span: Span, chunk: int, classifier: FrameClassifier
    ) -> tuple[ChunkRecord, list[ScoredShot], list[str]]:
        """Score what the source run found in `span`.

        Returns:
            How the reading of the stretch went when it was decoded, its shots with new scores, and
            where the key frames' pictures lie.

        Raises:
            DamagedFeatures: The stored features are not whole.
        """
        manifest = classifier.manifest
        with self._database.session() as session:
            chunks = frames.load_chunks(session, film.id, source_run)
            counts = runs.frame_counts(session, film.id, source_run)
            inside = [known for known in chunks if _is_within(known, span)]
            numbers = [known.chunk for known in inside]
            stored = runs.load_frames(session, film.id, source_run, numbers)
        if not inside:
            raise DamagedFeatures("what was to be taken over is gone")
        scores = np.empty((0, len(manifest.tags)), np.float32)
        if stored:
            key = features_key(film.id, source_run, manifest.base_id)
            shape = (sum(counts.values()), manifest.feature_size)
            first, last = stored[0].n, stored[-1].n
            rows = read_features(self._storage, key, shape, first, last + 1)
            numbers = [frame.n - first for frame in stored]
            scores = classifier.score_features(rows[numbers])
        record = _joined(inside, span, chunk, self._executor_id)
        return record, _shots_of(stored, scores), [frame.thumbnail_key for frame in stored]

    def take_features(self, film: Film, source_run: int, manifest: Manifest) -> NDArray[np.float32]:
        """Give the current run the features of its source.

        Returns:
            Their mean, `(feature_size,)` float32.

        Raises:
            DamagedFeatures: They are not whole.
        """
        with self._database.session() as session:
            counts = runs.frame_counts(session, film.id, source_run)
        shape = (sum(counts.values()), manifest.feature_size)
        if not shape[0]:
            raise DamagedFeatures("the run that was to be taken over has no key frames")
        return copy_features(self._storage, film, source_run, manifest.base_id, shape)


def _is_within(chunk: ChunkRecord, span: Span) -> bool:
    return span.start_s <= chunk.start_s and (span.end_s is None or chunk.start_s < span.end_s)


def _joined(
    chunks: Sequence[ChunkRecord], span: Span, number: int, executor_id: str
) -> ChunkRecord:
    """Return what is known of the reading of neighbouring stretches as that of one."""
    warnings = dict.fromkeys(text for chunk in chunks for text in chunk.warnings)
    return ChunkRecord(
        number, span.start_s, span.end_s, max((chunk.read_end_s for chunk in chunks), default=0.0),
        sum(chunk.frame_count for chunk in chunks), sum(chunk.corrupt_count for chunk in chunks),
        tuple(warnings), executor_id,
    )  # fmt: skip


def _shots_of(stored: Sequence[runs.StoredFrame], scores: NDArray[np.float32]) -> list[ScoredShot]:
    """Put frames in time order back into their shots."""
    pairs = list(zip(stored, scores, strict=True))
    shots = []
    for _, members in groupby(pairs, key=lambda pair: (pair[0].chunk, pair[0].shot)):
        found = list(members)
        first = found[0][0]
        scored = tuple(
            ScoredFrame(frame.time_s, row, frames.NO_FEATURES, b"") for frame, row in found
        )
        shots.append(ScoredShot(Shot(first.shot_start_s, first.shot_end_s), scored))
    return shots
