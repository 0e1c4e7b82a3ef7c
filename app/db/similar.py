"""Queries for films that are like another one: by their tags, or by what they look like.

By tags it is one SQL statement over the films that share a tag. By features each film of the same
base is one row of a few kilobytes that passes by once. Never commits.
"""

import heapq
import math

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import BigInteger, Select, and_, cast, delete, func, insert, or_, select
from sqlalchemy.orm import Session, aliased

from app.db.films import film_of
from app.db.tables import FilmFeaturesRow, FilmRow, FilmTagRow
from app.domain.cursors import read_cursor, write_cursor
from app.domain.findings import SimilarFilm
from app.domain.library import Page
from app.errors import InvalidRequest

FEATURE_TYPE = np.dtype("<f2")
"""Mean features are stored as little-endian float16, whatever the machine."""

STEPS = 10**12
"""Likeness is compared in whole steps: so the last bits of a sum never turn a page around."""

READ_AT_ONCE = 500
"""Feature rows in memory at once: 2 MB."""


def store_features(
    session: Session, film_id: str, base_id: str, mean: NDArray[np.float32] | None
) -> None:
    """Keep the direction of a film's mean features; the caller holds the film.

    Args:
        session: A session that writes.
        film_id: The film.
        base_id: The convolutional base that gave them.
        mean: `(feature_size,)` float32; None, or one without a direction, keeps none.
    """
    session.execute(delete(FilmFeaturesRow).where(FilmFeaturesRow.film_id == film_id))
    length = 0.0 if mean is None else float(np.linalg.norm(mean))
    if mean is None or not 0 < length < math.inf:
        return
    direction = (mean / length).astype(FEATURE_TYPE)
    values = {"film_id": film_id, "base_id": base_id, "mean": direction.tobytes()}
    session.execute(insert(FilmFeaturesRow).values(values))


def similar_by_tags(
    session: Session, film_id: str, cursor: str | None, limit: int
) -> Page[SimilarFilm]:
    r"""Return the films whose tags have the most similar scores, the most similar first.

    With :math:`a_t, b_t` the scores of tag :math:`t` (0 where a film does not have it) the
    similarity is the cosine :math:`\sum a_t b_t / (|a| |b|)`. Films without a common tag are left
    out.

    Raises:
        InvalidRequest: The cursor was not given by this list.
    """
    mine, theirs, each = (aliased(FilmTagRow) for _ in range(3))
    own = select(func.sum(mine.score * mine.score)).where(mine.film_id == film_id)
    own_length2 = session.scalar(own)
    if not own_length2:
        return Page(())
    shared = (
        select(theirs.film_id.label("film_id"), func.sum(theirs.score * mine.score).label("dot"))
        .join(mine, mine.tag == theirs.tag)
        .where(mine.film_id == film_id, theirs.film_id != film_id)
        .group_by(theirs.film_id)
        .subquery()
    )
    length2 = (
        select(func.sum(each.score * each.score))
        .where(each.film_id == shared.c.film_id)
        .scalar_subquery()
    )
    # squared, because SQLite need not know the square root; the order is the same
    steps = cast(shared.c.dot * shared.c.dot / (length2 * own_length2) * STEPS, BigInteger)
    ranked = select(shared.c.film_id, steps.label("steps")).where(shared.c.dot > 0).subquery()
    statement = (
        select(FilmRow, ranked.c.steps)
        .join(ranked, ranked.c.film_id == FilmRow.id)
        .order_by(ranked.c.steps.desc(), FilmRow.id.desc())
    )
    if cursor is not None:
        last_steps, last_id = _read(cursor, "tags")
        tied = and_(ranked.c.steps == last_steps, FilmRow.id < last_id)
        statement = statement.where(or_(ranked.c.steps < last_steps, tied))
    rows = session.execute(statement.limit(limit + 1)).all()
    found = tuple(
        SimilarFilm(film_of(row), min(1.0, math.sqrt(steps / STEPS))) for row, steps in rows[:limit]
    )
    if len(rows) <= limit:
        return Page(found)
    return Page(found, write_cursor(["tags", rows[limit - 1][1], found[-1].film.id]))


def similar_by_features(
    session: Session, film_id: str, cursor: str | None, limit: int
) -> Page[SimilarFilm]:
    """Return the films whose mean features point in the most similar direction, that one first.

    The similarity is the cosine between the means over each film's key frames. Only films of the
    same convolutional base can be compared.

    Raises:
        InvalidRequest: The cursor was not given by this list.
    """
    own = session.get(FilmFeaturesRow, film_id)
    if own is None:
        return Page(())
    behind = None if cursor is None else _read(cursor, "features")
    mine = _direction_of(own.mean)
    best: list[tuple[int, str]] = []
    for partition in session.execute(_others(own)).partitions(READ_AT_ONCE):
        rows = [(row.film_id, row.mean) for row in partition]
        directions = _direction_of(b"".join(mean for _, mean in rows)).reshape(len(rows), -1)
        steps = np.clip(directions @ mine, 0.0, 1.0).astype(np.float64) * STEPS
        ranks = [(round(step), other) for step, (other, _) in zip(steps, rows, strict=True)]
        ranks = [rank for rank in ranks if behind is None or rank < behind]
        best = heapq.nlargest(limit + 1, [*best, *ranks])
    films = {
        row.id: film_of(row)
        for row in session.scalars(select(FilmRow).where(FilmRow.id.in_([i for _, i in best])))
    }
    shown = best[:limit]
    found = tuple(SimilarFilm(films[other], step / STEPS) for step, other in shown)
    if len(best) <= limit:
        return Page(found)
    return Page(found, write_cursor(["features", *shown[-1]]))


def _others(own: FilmFeaturesRow) -> Select[str, bytes]:
    return (
        select(FilmFeaturesRow.film_id, FilmFeaturesRow.mean)
        .where(FilmFeaturesRow.base_id == own.base_id, FilmFeaturesRow.film_id != own.film_id)
        .order_by(FilmFeaturesRow.film_id)
        .execution_options(yield_per=READ_AT_ONCE)
    )


def _direction_of(stored: bytes) -> NDArray[np.float32]:
    return np.frombuffer(stored, FEATURE_TYPE).astype(np.float32)


def _read(cursor: str, by: str) -> tuple[int, str]:
    kind, steps, film_id = read_cursor(cursor, [str, int, str])
    if kind != by or not 0 <= int(steps) < 2**62:
        raise InvalidRequest("the cursor was not given by this list")
    return int(steps), str(film_id)
