"""Which films: filters, order and pages, as one SQL statement.

Pages continue behind the last film shown (keyset), so their cost does not grow with their number
and films that arrive meanwhile neither double nor hide others. Never commits.
"""

from typing import Any

from sqlalchemy import ColumnElement, SQLColumnExpression, and_, exists, func, or_, select
from sqlalchemy.orm import Session, aliased

from app.db.films import film_of
from app.db.tables import FilmRow, FilmTagRow
from app.domain.cursors import is_storable, read_cursor, write_cursor
from app.domain.library import Film, FilmQuery, Page
from app.errors import InvalidRequest

BY_FIRST_TAG = frozenset({"-score", "-coverage_s"})
"""Orders that go by the first tag asked for."""

Key = tuple[Any, ...]
"""What a film is ordered by; the last part is its id, so that no two are equal."""


def list_films(
    session: Session, query: FilmQuery, cursor: str | None = None, limit: int = 50
) -> Page[Film]:
    """Return the films that fit `query`, at most `limit`, from `cursor` on.

    Raises:
        InvalidRequest: The cursor was not given by this list, or the order needs a tag.
    """
    if not is_answerable(query):
        return Page(())
    if query.sort in BY_FIRST_TAG and not query.tags:
        raise InvalidRequest(f"sort={query.sort} needs a tag to sort by")
    first_tag = aliased(FilmTagRow)
    columns, descending = _order(query, first_tag)
    statement = select(FilmRow, *columns)
    if query.tags:
        # driven from the tag's own index: the cost is the page, not the library
        statement = statement.join(first_tag, first_tag.film_id == FilmRow.id).where(
            first_tag.tag == query.tags[0], *strong_enough(query, first_tag)
        )
    # the rest of the tags, and everything else, is looked up for the films that come by
    statement = statement.where(*film_conditions(query, skip_tags=1))
    if not (query.tags or query.any_tags) and _asks_strength(query):
        statement = statement.where(_has_tag(query, ()))
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
        case "-coverage_s":
            return [first_tag.coverage_s, film_id], True
        case _:
            # ids begin with the time a film arrived
            return [film_id], query.sort == "-created_at"


def is_answerable(query: FilmQuery) -> bool:
    """Whether a database can hold the texts that are asked for; else no film has them."""
    return all(is_storable(text) for text in (query.text, query.model_version) if text is not None)


def film_conditions(query: FilmQuery, skip_tags: int = 0) -> list[ColumnElement[bool]]:
    """Return what must hold of a film's row, leaving out the first `skip_tags` tags.

    A strength that is asked for without any tag is left to the caller too.
    """
    found: list[ColumnElement[bool]] = []
    if query.status is not None:
        found.append(FilmRow.status == query.status.value)
    if query.text:
        title = func.lower(FilmRow.title)
        found.append(title.contains(query.text.lower(), autoescape=True))
    if query.model_version is not None:
        found.append(FilmRow.model_version == query.model_version)
    if query.created_after is not None:
        found.append(FilmRow.created_at >= query.created_after)
    if query.created_before is not None:
        found.append(FilmRow.created_at < query.created_before)
    found += [_has_tag(query, (tag,)) for tag in query.tags[skip_tags:]]
    if query.any_tags:
        found.append(_has_tag(query, query.any_tags))
    if query.not_tags:
        found.append(~_has_tag(FilmQuery(), query.not_tags))
    return found


def _asks_strength(query: FilmQuery) -> bool:
    return query.min_score is not None or query.min_coverage_s is not None


def _has_tag(query: FilmQuery, tags: tuple[str, ...]) -> ColumnElement[bool]:
    """Whether a film has one of `tags`, at the strength that is asked for; none means any tag."""
    row = aliased(FilmTagRow)
    conditions = [row.film_id == FilmRow.id, *strong_enough(query, row)]
    if tags:
        conditions.append(row.tag.in_(tags) if len(tags) > 1 else row.tag == tags[0])
    return exists().where(*conditions)


def strong_enough(query: FilmQuery, row: Any) -> list[ColumnElement[bool]]:  # noqa: ANN401
    """Return what must hold of a row of film tags to have the strength that is asked for."""
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
        "-coverage_s": [float, str],
    }  # fmt: skip
    sort, *key = read_cursor(cursor, [str, *kinds.get(query.sort, [str])])
    if sort != query.sort:
        raise InvalidRequest("the cursor was given by a list in another order")
    return tuple(key)
