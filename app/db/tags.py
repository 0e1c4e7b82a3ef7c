"""Queries over film tags and human verdicts.

`film_tags` holds what is shown and searched: the model's tags after humans had their say.
Never commits.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import cast

from sqlalchemy import delete, func, insert, select
from sqlalchemy.orm import Session

from app.db.tables import FilmTagRow, VerdictRow
from app.domain.library import Verdict, apply_verdicts, in_order
from app.domain.tags import FilmTag, Source


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


def load_verdicts(session: Session, film_id: str) -> dict[str, Verdict]:
    """Return what humans said of the film's tags, by tag name."""
    rows = session.scalars(select(VerdictRow).where(VerdictRow.film_id == film_id))
    return {row.tag: Verdict(row.verdict) for row in rows}


def store_verdict(session: Session, film_id: str, tag: str, verdict: Verdict | None) -> None:
    """Keep what a human says of a tag, or with None forget it; the caller holds the film."""
    session.execute(delete(VerdictRow).where(VerdictRow.film_id == film_id, VerdictRow.tag == tag))
    if verdict is not None:
        values = {"film_id": film_id, "tag": tag, "verdict": verdict.value,
                  "created_at": datetime.now(UTC)}  # fmt: skip
        session.execute(insert(VerdictRow).values(values))


def count_films_by_tag(session: Session) -> dict[str, int]:
    """Return how many films have each tag."""
    statement = select(FilmTagRow.tag, func.count()).group_by(FilmTagRow.tag)
    return {tag: count for tag, count in session.execute(statement)}
