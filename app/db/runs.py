"""Queries that take what one run of a film holds over into the next: shots, frames, pictures.

A run that scores stored features keeps everything of the run before it but the scores. Never
commits.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import and_, func, select
from sqlalchemy.orm import Session

from app.db.tables import FrameRow, ShotRow


@dataclass(frozen=True, slots=True)
class StoredFrame:
    """A key frame of a complete run, without its scores.

    Attributes:
        n: Number within the film in time order; also its row among the film's features.
        chunk: The stretch it was found in.
        shot: Its shot's place within the stretch.
        time_s: Presentation time.
        shot_start_s: Start of its shot.
        shot_end_s: End of its shot.
        thumbnail_key: Where its JPEG lies.
    """

    n: int
    chunk: int
    shot: int
    time_s: float
    shot_start_s: float
    shot_end_s: float
    thumbnail_key: str


def frame_counts(session: Session, film_id: str, run: int) -> dict[int, int]:
    """Return how many key frames each stretch of a run has; those without any are left out."""
    statement = (
        select(FrameRow.chunk, func.count())
        .where(FrameRow.film_id == film_id, FrameRow.run == run)
        .group_by(FrameRow.chunk)
    )
    return {chunk: count for chunk, count in session.execute(statement)}


def load_frames(
    session: Session, film_id: str, run: int, chunks: Sequence[int]
) -> list[StoredFrame]:
    """Return the key frames of some neighbouring stretches of a complete run, in time order."""
    if not chunks:
        return []
    same_shot = and_(
        FrameRow.film_id == ShotRow.film_id,
        FrameRow.run == ShotRow.run,
        FrameRow.chunk == ShotRow.chunk,
        FrameRow.shot == ShotRow.shot,
    )
    statement = (
        select(FrameRow.n, FrameRow.chunk, FrameRow.shot, FrameRow.time_s,
               ShotRow.start_s, ShotRow.end_s, FrameRow.thumbnail_key)
        .join(ShotRow, same_shot)
        .where(FrameRow.film_id == film_id, FrameRow.run == run)
        .where(FrameRow.chunk.between(min(chunks), max(chunks)))
        .order_by(FrameRow.n)
    )  # fmt: skip
    return [StoredFrame(*row) for row in session.execute(statement)]  # type: ignore[arg-type]


def picture_runs(session: Session, film_id: str, run: int | None) -> set[int]:
    """Return the runs whose pictures the key frames of a run show; none where it has no rows."""
    if run is None:
        return set()
    statement = select(FrameRow.thumbnail_key).where(
        FrameRow.film_id == film_id, FrameRow.run == run, FrameRow.place == 0
    )
    return {int(key.split("/")[3]) for key in session.scalars(statement)}  # see `thumbnail_key`
