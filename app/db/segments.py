"""Queries over the segments of all films: where in the library a tag holds.

`segments` holds what is shown by the rules everybody starts with, after humans had their say;
other rules are answered film by film from the score rows. Never commits.
"""

from collections.abc import Sequence
from typing import Any, cast

from sqlalchemy import ColumnElement, and_, delete, insert, or_, select
from sqlalchemy.orm import Session

from app.db.tables import FilmRow, SegmentRow
from app.db.verdicts import load_all_verdicts
from app.domain.cursors import read_cursor, write_cursor
from app.domain.findings import FoundSegment, SegmentQuery
from app.domain.library import Page
from app.domain.tags import Segment, Source
from app.domain.verdicts import apply_to_segments
from app.errors import InvalidRequest


def replace_segments(session: Session, film_id: str, segments: Sequence[Segment]) -> None:
    """Store where the model sees tags, as far as humans agree; the caller holds the film."""
    shown = apply_to_segments(segments, load_all_verdicts(session, film_id))
    session.execute(delete(SegmentRow).where(SegmentRow.film_id == film_id))
    rows = [
        {"film_id": film_id, "place": place, "tag": one.tag, "source": one.source,
         "start_s": one.start_s, "end_s": one.end_s, "score": one.score}
        for place, one in enumerate(shown)
    ]  # fmt: skip
    if rows:
        session.execute(insert(SegmentRow), rows)


def list_segments(
    session: Session, query: SegmentQuery, cursor: str | None, limit: int
) -> Page[FoundSegment]:
    """Return the segments of all films that fit, at most `limit`, from `cursor` on.

    Raises:
        InvalidRequest: The cursor was not given by this list.
    """
    row = SegmentRow
    by_score = query.sort == "-score"
    order: list[ColumnElement[Any]] = [row.score.desc()] if by_score else []
    order += [row.film_id.desc(), row.place.desc() if by_score else row.place.asc()]
    statement = (
        select(row, FilmRow.title)
        .join(FilmRow, FilmRow.id == row.film_id)
        .where(row.tag == query.tag)
        .order_by(*order)
    )
    if query.min_score is not None:
        statement = statement.where(row.score >= query.min_score)
    if query.min_duration_s is not None:
        statement = statement.where(row.end_s - row.start_s >= query.min_duration_s)
    if cursor is not None:
        sort, score, film_id, place = _read(cursor)
        if sort != query.sort:
            raise InvalidRequest("the cursor was given by a list in another order")
        if by_score:
            behind = or_(
                row.score < score,
                and_(
                    row.score == score,
                    or_(
                        row.film_id < film_id,
                        and_(row.film_id == film_id, row.place < place),
                    ),
                ),
            )
            statement = statement.where(row.score <= score, behind)
        else:
            behind = or_(row.film_id < film_id, and_(row.film_id == film_id, row.place > place))
            statement = statement.where(row.film_id <= film_id, behind)
    rows = session.execute(statement.limit(limit + 1)).all()
    found = tuple(_found(segment, title) for segment, title in rows[:limit])
    if len(rows) <= limit:
        return Page(found)
    last: SegmentRow = rows[limit - 1][0]
    return Page(found, write_cursor([query.sort, last.score, last.film_id, last.place]))


def _read(cursor: str) -> tuple[str, float, str, int]:
    sort, score, film_id, place = read_cursor(cursor, [str, float, str, int])
    if not -(2**31) <= int(place) < 2**31:
        raise InvalidRequest("the cursor was not given by this list")
    return str(sort), float(score), str(film_id), int(place)


def _found(row: SegmentRow, title: str) -> FoundSegment:
    segment = Segment(row.tag, row.start_s, row.end_s, row.score, cast("Source", row.source))
    return FoundSegment(row.film_id, title, segment)
