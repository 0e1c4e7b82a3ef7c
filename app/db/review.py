"""The key frames of all films that the model is least sure of and no human has spoken of.

Walks an index by margin and skips what was judged, so that a page costs its frames and the judged
ones before them, not the library. Never commits.
"""

from sqlalchemy import and_, exists, or_, select, tuple_
from sqlalchemy.orm import Session

from app.db.frames import scores_of
from app.db.tables import FilmRow, FrameRow, ShotRow, VerdictRow
from app.domain.cursors import read_cursor, write_cursor
from app.domain.findings import UnsureRow
from app.domain.library import KeyFrameRecord, Page
from app.domain.verdicts import SAME_FRAME_S, Scope
from app.errors import InvalidRequest

_JUDGED = exists().where(
    VerdictRow.film_id == FrameRow.film_id,
    or_(
        and_(
            VerdictRow.scope == Scope.FRAME.value,
            VerdictRow.start_s > FrameRow.time_s - SAME_FRAME_S,
            VerdictRow.start_s < FrameRow.time_s + SAME_FRAME_S,
        ),
        and_(
            VerdictRow.scope == Scope.SEGMENT.value,
            VerdictRow.start_s <= FrameRow.time_s,
            VerdictRow.end_s > FrameRow.time_s,
        ),
    ),
)
"""Whether a human spoke of the key frame itself or of a stretch that it lies in."""


def list_unsure(session: Session, cursor: str | None, limit: int) -> Page[UnsureRow]:
    """Return shown key frames without a verdict, the smallest margin first.

    Raises:
        InvalidRequest: The cursor was not given by this list.
    """
    frame, shot = FrameRow, ShotRow
    statement = (
        select(frame.margin, frame.film_id, frame.n, FilmRow.title, FilmRow.model_version,
               frame.time_s, shot.start_s, shot.end_s, frame.scores, frame.thumbnail_key)
        .join(FilmRow, and_(FilmRow.id == frame.film_id, FilmRow.shown_run == frame.run))
        .join(shot, and_(
            shot.film_id == frame.film_id, shot.run == frame.run,
            shot.chunk == frame.chunk, shot.shot == frame.shot,
        ))
        .where(frame.margin.is_not(None), frame.n.is_not(None), ~_JUDGED)
        .order_by(frame.margin, frame.film_id, frame.n)
    )  # fmt: skip
    if cursor is not None:
        margin, film_id, n = read_cursor(cursor, [float, str, int])
        if not 0 <= int(n) < 2**31 or not -1 <= float(margin) <= 1:
            raise InvalidRequest("the cursor was not given by this list")
        place = tuple_(frame.margin, frame.film_id, frame.n)
        statement = statement.where(frame.margin >= margin, place > (margin, film_id, n))
    rows = session.execute(statement.limit(limit + 1)).all()
    found = tuple(
        UnsureRow(
            row.film_id, row.title, row.model_version, row.margin,
            KeyFrameRecord(
                row.n, row.time_s, row.start_s, row.end_s,
                scores_of(row.scores), row.thumbnail_key,
            ),
        )
        for row in rows[:limit]
    )  # fmt: skip
    if len(rows) <= limit:
        return Page(found)
    last = found[-1]
    return Page(found, write_cursor([last.margin, last.film_id, last.frame.n]))
