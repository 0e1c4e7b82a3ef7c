"""Queries that count films by tag: for filters, and over the time they arrived. Never commits."""

from typing import Any

from sqlalchemy import Select, SQLColumnExpression, and_, func, or_, select
from sqlalchemy.orm import Session

from app.db.search import film_conditions, is_answerable, strong_enough
from app.db.tables import FilmRow, FilmTagRow
from app.domain.cursors import read_cursor, write_cursor
from app.domain.findings import Interval, TimelineEntry
from app.domain.library import FilmQuery, Page

SQLITE_FORMS = {"day": "%Y-%m-%d", "month": "%Y-%m-01", "year": "%Y-01-01"}
POSTGRES_FORMS = {"day": "YYYY-MM-DD", "month": 'YYYY-MM-"01"', "year": 'YYYY-"01-01"'}


def count_films_by_tag(session: Session, query: FilmQuery | None = None) -> dict[str, int]:
    """Return for each tag how many films would be found, were it asked for too.

    Tags that no such film has are left out. The order of `query` does not matter.
    """
    statement = select(FilmTagRow.tag, func.count()).group_by(FilmTagRow.tag)
    if query is not None:
        if not is_answerable(query):
            return {}
        statement = statement.where(*strong_enough(query, FilmTagRow))
        conditions = film_conditions(query)
        if conditions:
            statement = statement.join(FilmRow, FilmRow.id == FilmTagRow.film_id)
            statement = statement.where(*conditions)
    return {tag: count for tag, count in session.execute(statement)}


def tag_timeline(
    session: Session, query: FilmQuery, interval: Interval, cursor: str | None, limit: int
) -> Page[TimelineEntry]:
    """Return how many films of each stretch of time have each tag, by start, then by tag.

    With tags asked for only those are counted, among the films that have all of them.

    Raises:
        InvalidRequest: The cursor was not given by this list.
    """
    if not is_answerable(query):
        return Page(())
    entries: Select[*tuple[Any, ...]] = (
        select(
            _start(session, interval).label("start"),
            FilmTagRow.tag.label("tag"),
            func.count().label("film_count"),
            func.sum(FilmTagRow.coverage_s).label("coverage_s"),
        )
        .join(FilmRow, FilmRow.id == FilmTagRow.film_id)
        .where(*film_conditions(query), *strong_enough(query, FilmTagRow))
        .group_by("start", FilmTagRow.tag)
    )
    wanted = (*query.tags, *query.any_tags)
    if wanted:
        entries = entries.where(FilmTagRow.tag.in_(wanted))
    entry = entries.subquery()
    statement = select(entry).order_by(entry.c.start, entry.c.tag)
    if cursor is not None:
        start, tag = read_cursor(cursor, [str, str])
        later = or_(entry.c.start > start, and_(entry.c.start == start, entry.c.tag > tag))
        statement = statement.where(later)
    rows = session.execute(statement.limit(limit + 1)).all()
    found = tuple(TimelineEntry(*row) for row in rows[:limit])
    if len(rows) <= limit:
        return Page(found)
    return Page(found, write_cursor([found[-1].start, found[-1].tag]))


def _start(session: Session, interval: Interval) -> SQLColumnExpression[Any]:
    """First day of the stretch in which a film arrived, as text that sorts by time."""
    if session.get_bind().dialect.name == "sqlite":
        return func.strftime(SQLITE_FORMS[interval], FilmRow.created_at)
    return func.to_char(func.timezone("UTC", FilmRow.created_at), POSTGRES_FORMS[interval])
