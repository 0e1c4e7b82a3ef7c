"""Queries for films that a model could be run on anew. Never commits."""

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.db.films import ACTIVE, film_of
from app.db.tables import FilmRow
from app.domain.library import Film


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which films are looked for, among those that are not in work.

    Attributes:
        unlike: Films that show the tags of another model than this one; None: any film.
        model_version: Films that show the tags of this model; None: of any, or none at all.
    """

    unlike: str | None
    model_version: str | None


def lock_films(session: Session, wanted: Wanted, after_id: str, limit: int) -> list[Film]:
    """Return films in the order of their ids, kept from others until the transaction ends.

    Args:
        session: A session that writes.
        wanted: Which ones.
        after_id: Only films behind this id.
        limit: At most so many.
    """
    statement = (
        select(FilmRow)
        .where(FilmRow.id > after_id, FilmRow.status.not_in(ACTIVE))
        .order_by(FilmRow.id)
        .limit(limit)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    if wanted.unlike is not None:
        statement = statement.where(
            FilmRow.shown_run.is_not(None), FilmRow.model_version != wanted.unlike
        )
    if wanted.model_version is not None:
        statement = statement.where(FilmRow.model_version == wanted.model_version)
    return [film_of(row) for row in session.scalars(statement)]
