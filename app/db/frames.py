"""Queries over the pieces of a run: chunks, shots, key frames.

A chunk's rows are written once, by the first worker that brings them, and only while its run is
active; a run's rows are shown once all of it is there. Never commits.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Row, Select, and_, delete, func, insert, select, update
from sqlalchemy.orm import Session

from app.db.films import lock_active_run, lock_film
from app.db.segments import replace_segments
from app.db.similar import store_features
from app.db.tables import ChunkRow, FilmRow, FrameRow, ShotRow
from app.db.tags import replace_film_tags
from app.domain.films import FilmStatus, Stage
from app.domain.library import ChunkRecord, KeyFrameRecord
from app.domain.shots import ScoredFrame, ScoredShot, Shot
from app.domain.tags import FilmTag, Segment, margin_of

SCORE_TYPE = np.dtype("<f4")
"""Score rows are stored as little-endian float32, whatever the machine."""

NO_FEATURES = np.empty(0, np.float16)
"""Features lie in the storage, not in rows."""


def chunk_is_stored(session: Session, film_id: str, run: int, chunk: int) -> bool:
    """Whether this stretch of the run is finished."""
    return session.get(ChunkRow, (film_id, run, chunk)) is not None


def stored_chunks(session: Session, film_id: str, run: int) -> list[int]:
    """Return the finished stretches of a run, in order."""
    statement = select(ChunkRow.chunk).where(ChunkRow.film_id == film_id, ChunkRow.run == run)
    return list(session.scalars(statement.order_by(ChunkRow.chunk)))


def store_chunk(
    session: Session,
    film_id: str,
    run: int,
    record: ChunkRecord,
    shots: Sequence[ScoredShot],
    thumbnail_keys: Sequence[str],
) -> bool:
    """Store all rows of a finished stretch, exactly once.

    Args:
        session: A session that writes.
        film_id: The film.
        run: The run the stretch belongs to.
        record: How reading it went.
        shots: Its shots in time order, with their key frames.
        thumbnail_keys: Where the key frames' JPEGs lie, in the order of the frames of `shots`.

    Returns:
        False, with nothing written, where the stretch is there already, or the film was deleted,
        cancelled or started anew.
    """
    if not lock_active_run(session, film_id, run):
        return False
    if chunk_is_stored(session, film_id, run, record.chunk):
        return False
    key = {"film_id": film_id, "run": run, "chunk": record.chunk}
    session.execute(insert(ChunkRow).values(**key, **_chunk_values(record)))
    shot_rows = [
        {**key, "shot": number, "start_s": scored.shot.start_s, "end_s": scored.shot.end_s}
        for number, scored in enumerate(shots)
    ]
    found = [(number, frame) for number, scored in enumerate(shots) for frame in scored.frames]
    if len(found) != len(thumbnail_keys):
        raise ValueError(f"{len(thumbnail_keys)} thumbnails do not fit {len(found)} key frames")
    frame_rows = [
        {**key, "place": place, "shot": number, "n": None, "time_s": frame.time_s,
         "scores": _to_bytes(frame.scores), "thumbnail_key": thumbnail_keys[place],
         "margin": margin_of(frame.scores)}
        for place, (number, frame) in enumerate(found)
    ]  # fmt: skip
    if shot_rows:
        session.execute(insert(ShotRow), shot_rows)
    if frame_rows:
        session.execute(insert(FrameRow), frame_rows)
    return True


def finish_run(
    session: Session,
    film_id: str,
    run: int,
    model_version: str,
    base_id: str,
    tags: Sequence[FilmTag],
    segments: Sequence[Segment] = (),
    mean_features: NDArray[np.float32] | None = None,
) -> bool:
    """Show a complete run: all at once, or not at all.

    Numbers the key frames in time order, replaces the film's tags and segments as far as humans
    agree, takes the chunks' warnings, and deletes the rows of all other runs.

    Args:
        session: A session that writes.
        film_id: The film.
        run: The run, all its chunks stored.
        model_version: The model that gave the scores.
        base_id: The convolutional base that gave the features.
        tags: What the model says of the whole film.
        segments: Where it sees tags, by the rules everybody starts with.
        mean_features: `(feature_size,)` float32, the mean over the key frames; None: not known.

    Returns:
        True where the run is shown, also where it was before; False, with nothing changed, where
        the film was deleted, cancelled or started anew.
    """
    film = lock_film(session, film_id)
    if film is None or film.run != run:
        return False
    if film.status.is_final:
        return film.shown_run == run
    _number_frames(session, film_id, run)
    session.execute(delete(ChunkRow).where(ChunkRow.film_id == film_id, ChunkRow.run != run))
    replace_film_tags(session, film_id, tags)
    replace_segments(session, film_id, segments)
    store_features(session, film_id, base_id, mean_features)
    chunks = _chunks(session, film_id, run)
    now = datetime.now(UTC)
    values = {
        "shown_run": run, "model_version": model_version, "base_id": base_id,
        "status": FilmStatus.DONE.value, "stage": Stage.FINISHED.value, "progress": 1.0,
        "warnings": list(dict.fromkeys(text for chunk in chunks for text in chunk.warnings)),
        "error_code": None, "error_detail": None, "updated_at": now, "analysed_at": now,
    }  # fmt: skip
    if film.duration_s is None and chunks:
        values["duration_s"] = max(chunk.read_end_s for chunk in chunks)
    session.execute(update(FilmRow).where(FilmRow.id == film_id).values(values))
    return True


def load_scored_shots(session: Session, film_id: str, run: int) -> list[ScoredShot]:
    """Return the shots of a run in time order; thumbnails and features are empty."""
    statement = (
        select(ShotRow.chunk, ShotRow.shot, ShotRow.start_s, ShotRow.end_s,
               FrameRow.time_s, FrameRow.scores)
        .join(FrameRow, _frame_of_shot())
        .where(ShotRow.film_id == film_id, ShotRow.run == run)
        .order_by(ShotRow.start_s, ShotRow.chunk, ShotRow.shot, FrameRow.time_s, FrameRow.place)
    )  # fmt: skip
    rows = session.execute(statement).all()
    shots = []
    for _, members in groupby(rows, key=lambda row: (row.chunk, row.shot)):
        found = list(members)
        frames = tuple(
            ScoredFrame(row.time_s, scores_of(row.scores), NO_FEATURES, b"") for row in found
        )
        shots.append(ScoredShot(Shot(found[0].start_s, found[0].end_s), frames))
    return shots


def load_chunks(session: Session, film_id: str, run: int) -> list[ChunkRecord]:
    """Return how reading each finished stretch of a run went, in order."""
    return [
        ChunkRecord(
            row.chunk, row.start_s, row.end_s, row.read_end_s, row.frame_count,
            row.corrupt_count, tuple(row.warnings), row.executor_id,
        )
        for row in _chunks(session, film_id, run)
    ]  # fmt: skip


def frame_places(session: Session, film_id: str, run: int) -> list[tuple[int, int]]:
    """Return `(chunk, place)` of a run's key frames in time order.

    The `n`-th is the key frame that has or will have the number `n`; `place` is its row in the
    chunk's feature object.
    """
    statement = (
        select(FrameRow.chunk, FrameRow.place)
        .where(FrameRow.film_id == film_id, FrameRow.run == run)
        .order_by(FrameRow.time_s, FrameRow.chunk, FrameRow.place)
    )
    return [(chunk, place) for chunk, place in session.execute(statement)]


def list_frames(
    session: Session, film_id: str, run: int, *, first: int = 0, limit: int = 100
) -> list[KeyFrameRecord]:
    """Return at most `limit` key frames of a complete run, from number `first` on, in order."""
    statement = _frames(film_id, run).where(FrameRow.n >= first).order_by(FrameRow.n).limit(limit)
    return [_frame_of(row) for row in session.execute(statement)]


def find_frame(session: Session, film_id: str, run: int, n: int) -> KeyFrameRecord | None:
    """Return the key frame with the number `n` of a complete run."""
    row = session.execute(_frames(film_id, run).where(FrameRow.n == n)).first()
    return None if row is None else _frame_of(row)


def frame_numbers(session: Session, film_id: str, run: int) -> list[tuple[float, int]]:
    """Return time and number of all key frames of a complete run, in time order."""
    statement = select(FrameRow.time_s, FrameRow.n).where(
        FrameRow.film_id == film_id, FrameRow.run == run, FrameRow.n.is_not(None)
    )
    return [(time_s, n or 0) for time_s, n in session.execute(statement.order_by(FrameRow.n))]


def forget_runs(session: Session, film_id: str) -> None:
    """Delete all that models said of a film and keep what humans said; the caller holds the film.

    The film is shown as one that was never analysed, in the state it is in.
    """
    session.execute(delete(ChunkRow).where(ChunkRow.film_id == film_id))
    replace_film_tags(session, film_id, ())
    replace_segments(session, film_id, ())
    store_features(session, film_id, "", None)
    values: dict[str, Any] = {
        "shown_run": None, "model_version": None, "base_id": None, "analysed_at": None,
        "warnings": [], "updated_at": datetime.now(UTC),
    }  # fmt: skip
    session.execute(update(FilmRow).where(FilmRow.id == film_id).values(values))


def _frames(film_id: str, run: int) -> Select[*tuple[Any, ...]]:
    return (
        select(FrameRow.n, FrameRow.time_s, FrameRow.scores, FrameRow.thumbnail_key,
               ShotRow.start_s, ShotRow.end_s)
        .join(ShotRow, _frame_of_shot())
        .where(FrameRow.film_id == film_id, FrameRow.run == run)
    )  # fmt: skip


def _frame_of_shot() -> Any:  # noqa: ANN401
    return and_(
        FrameRow.film_id == ShotRow.film_id,
        FrameRow.run == ShotRow.run,
        FrameRow.chunk == ShotRow.chunk,
        FrameRow.shot == ShotRow.shot,
    )


def _frame_of(row: Row[*tuple[Any, ...]]) -> KeyFrameRecord:
    return KeyFrameRecord(
        row.n, row.time_s, row.start_s, row.end_s, scores_of(row.scores), row.thumbnail_key
    )


def _number_frames(session: Session, film_id: str, run: int) -> None:
    in_time = (FrameRow.time_s, FrameRow.chunk, FrameRow.place)
    numbered = (
        select(
            FrameRow.chunk.label("chunk"),
            FrameRow.place.label("place"),
            (func.row_number().over(order_by=in_time) - 1).label("n"),
        )
        .where(FrameRow.film_id == film_id, FrameRow.run == run)
        .subquery()
    )
    statement = (
        update(FrameRow)
        .where(FrameRow.film_id == film_id, FrameRow.run == run)
        .where(FrameRow.chunk == numbered.c.chunk, FrameRow.place == numbered.c.place)
        .values(n=numbered.c.n)
    )
    session.execute(statement, execution_options={"synchronize_session": False})


def _chunks(session: Session, film_id: str, run: int) -> list[ChunkRow]:
    statement = select(ChunkRow).where(ChunkRow.film_id == film_id, ChunkRow.run == run)
    return list(session.scalars(statement.order_by(ChunkRow.chunk)))


def count_frames(session: Session, film_id: str, run: int) -> tuple[int, int]:
    """Return how many frames of a run were decoded, and how many were left out as damaged."""
    sums = select(func.sum(ChunkRow.frame_count), func.sum(ChunkRow.corrupt_count))
    row = session.execute(sums.where(ChunkRow.film_id == film_id, ChunkRow.run == run)).one()
    return row[0] or 0, row[1] or 0


def _chunk_values(record: ChunkRecord) -> dict[str, Any]:
    return {
        "start_s": record.start_s, "end_s": record.end_s, "read_end_s": record.read_end_s,
        "frame_count": record.frame_count, "corrupt_count": record.corrupt_count,
        "warnings": list(record.warnings), "executor_id": record.executor_id,
        "finished_at": datetime.now(UTC),
    }  # fmt: skip


def _to_bytes(scores: NDArray[np.float32]) -> bytes:
    return np.ascontiguousarray(scores, SCORE_TYPE).tobytes()


def scores_of(stored: bytes) -> NDArray[np.float32]:
    """Return a stored score row, `(tags,)` float32."""
    return np.frombuffer(stored, SCORE_TYPE).astype(np.float32)
