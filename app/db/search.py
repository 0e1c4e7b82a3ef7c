"""Which films: filters, order and pages, as one SQL statement.

Pages continue behind the last film shown (keyset), so their cost does not grow with their number
and films that arrive meanwhile neither double nor hide others. Never commits.
"""

from typing import Any

from sqlalchemy import ColumnElement, Select, SQLColumnExpression, and_, exists, func, or_, select
from sqlalchemy.orm import Session, aliased

from app.db.films import film_of
from app.db.tables import FilmRow, FilmTagRow
from app.domain.cursors import is_storable, read_cursor, write_cursor
from app.domain.library import Film, FilmQuery, Page
from app.errors import InvalidRequest

Key = tuple[Any, ...]
"""What a film is ordered by; the last part is its id, so that no two are equal."""


def list_films(
    session: Session, query: FilmQuery, cursor: str | None = None, limit: int = 50
) -> Page[Film]:
    """Return the films that fit `query`, at most `limit`, from `cursor` on.

    Raises:
        InvalidRequest: The cursor was not given by this list, or the order needs a tag.
    """
    if query.text is not None and not is_storable(query.text):
        return Page(())
    if query.sort == "-score" and not query.tags:
        raise InvalidRequest("sort=-score needs a tag to sort by")
    first_tag = aliased(FilmTagRow)
    columns, descending = _order(query, first_tag)
    statement = select(FilmRow, *columns)
    if query.tags:
        # driven from the tag's own index: the cost is the page, not the library
        statement = statement.join(first_tag, first_tag.film_id == FilmRow.id).where(
            first_tag.tag == query.tags[0], *_strong_enough(query, first_tag)
        )
    statement = _filtered(statement, query)
    if cursor is not None:
        statement = statement.where(_behind(columns, descending, _read_key(cursor, query)))
    statement = statement.order_by(
        *(column.desc() if descending else column.asc() for column in columns)
    )
    rows = session.execute(statement.limit(limit + 1)).all()
    films = tuple(film_of(row[0]) for row in rows[:limit])
    if len(rows) <= limit:
        return Page(films)
    return Page(films, _write_key(tuple(rows[limit - 1][1:]), query))


def _order(query: FilmQuery, first_tag: Any) -> tuple[list[SQLColumnExpression[Any]], bool]:  # noqa: ANN401
    film_id = first_tag.film_id if query.tags else FilmRow.id
    match query.sort:
        case "title" | "-title":
            return [FilmRow.title, FilmRow.id], query.sort == "-title"
        case "-score":
            return [first_tag.score, film_id], True
        case _:
            # ids begin with the time a film arrived
            return [film_id], query.sort == "-created_at"


def _filtered(statement: Select[Any], query: FilmQuery) -> Select[Any]:
    if query.status is not None:
        statement = statement.where(FilmRow.status == query.status.value)
    if query.text:
        title = func.lower(FilmRow.title)
        statement = statement.where(title.contains(query.text.lower(), autoescape=True))
    for tag in query.tags[1:]:
        statement = statement.where(_has_tag(query, tag))
    if not query.tags and (query.min_score is not None or query.min_coverage_s is not None):
        statement = statement.where(_has_tag(query, None))
    return statement


def _has_tag(query: FilmQuery, tag: str | None) -> ColumnElement[bool]:
    row = aliased(FilmTagRow)
    conditions = [row.film_id == FilmRow.id, *_strong_enough(query, row)]
    if tag is not None:
        conditions.append(row.tag == tag)
    return exists().where(*conditions)


def _strong_enough(query: FilmQuery, row: Any) -> list[ColumnElement[bool]]:  # noqa: ANN401
    conditions = []
    if query.min_score is not None:
        conditions.append(row.score >= query.min_score)
    if query.min_coverage_s is not None:
        conditions.append(row.coverage_s >= query.min_coverage_s)
    return conditions


def _behind(
    columns: list[SQLColumnExpression[Any]], descending: bool, key: Key
) -> ColumnElement[bool]:
    """Whether a row stands behind `key`, written so that an index answers it on both databases."""
    beyond: ColumnElement[bool] = columns[-1] < key[-1] if descending else columns[-1] > key[-1]
    if len(columns) == 1:
        return beyond
    head, value = columns[0], key[0]
    after: ColumnElement[bool] = head < value if descending else head > value
    not_before = head <= value if descending else head >= value
    return and_(not_before, or_(after, beyond))


def _write_key(key: Key, query: FilmQuery) -> str:
    return write_cursor([query.sort, *key])


def _read_key(cursor: str, query: FilmQuery) -> Key:
    kinds: dict[str, list[type]] = {
        "title": [str, str], "-title": [str, str], "-score": [float, str],
    }  # fmt: skip
    sort, *key = read_cursor(cursor, [str, *kinds.get(query.sort, [str])])
    if sort != query.sort:
        raise InvalidRequest("the cursor was given by a list in another order")
    return tuple(key)
