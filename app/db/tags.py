"""Queries over film tags.

`film_tags` holds what is shown and searched: the model's tags after humans had their say.
Never commits.
"""

from collections.abc import Sequence
from typing import cast

from sqlalchemy import delete, insert, select
from sqlalchemy.orm import Session

from app.db.tables import FilmTagRow
from app.db.verdicts import load_verdicts, store_verdict
from app.domain.library import apply_verdicts, in_order
from app.domain.tags import FilmTag, Source

__all__ = ["load_film_tags", "load_verdicts", "replace_film_tags", "store_verdict"]


def load_film_tags(session: Session, film_id: str) -> list[FilmTag]:
    """Return the tags that hold for a film, best first."""
    rows = session.scalars(select(FilmTagRow).where(FilmTagRow.film_id == film_id))
    return in_order([
        FilmTag(row.tag, row.score, row.coverage_s, row.shot_count, row.first_s,
                cast("Source", row.source))
        for row in rows
    ])  # fmt: skip


def replace_film_tags(session: Session, film_id: str, tags: Sequence[FilmTag]) -> None:
    """Store what the model says of a film, as far as humans agree; the caller holds the film."""
    shown = apply_verdicts(tags, load_verdicts(session, film_id))
    session.execute(delete(FilmTagRow).where(FilmTagRow.film_id == film_id))
    rows = [
        {"film_id": film_id, "tag": tag.tag, "source": tag.source, "score": tag.score,
         "coverage_s": tag.coverage_s, "shot_count": tag.shot_count, "first_s": tag.first_s}
        for tag in shown
    ]  # fmt: skip
    if rows:
        session.execute(insert(FilmTagRow), rows)
