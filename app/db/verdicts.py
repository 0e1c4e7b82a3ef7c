"""Queries over human verdicts: on films, on segments, on key frames.

One target of a tag has one verdict, the last one. Never commits.
"""

from datetime import UTC, datetime

from sqlalchemy import delete, insert, select
from sqlalchemy.orm import Session

from app.db.films import new_film_id
from app.db.tables import VerdictRow
from app.domain.cursors import read_cursor, write_cursor
from app.domain.library import Page, Verdict
from app.domain.verdicts import WHOLE_FILM, Scope, Target, VerdictRecord, of_film


def load_verdicts(session: Session, film_id: str) -> dict[str, Verdict]:
    """Return what humans said of the film's tags as a whole, by tag name."""
    return of_film(load_all_verdicts(session, film_id))


def load_all_verdicts(session: Session, film_id: str) -> list[VerdictRecord]:
    """Return everything that humans said of a film, the oldest first."""
    statement = select(VerdictRow).where(VerdictRow.film_id == film_id).order_by(VerdictRow.id)
    return [_record_of(row) for row in session.scalars(statement)]


def list_verdicts(
    session: Session, film_id: str, cursor: str | None, limit: int
) -> Page[VerdictRecord]:
    """Return a page of what humans said of a film, the oldest first.

    Raises:
        InvalidRequest: The cursor was not given by this list.
    """
    statement = select(VerdictRow).where(VerdictRow.film_id == film_id).order_by(VerdictRow.id)
    if cursor is not None:
        statement = statement.where(VerdictRow.id > str(read_cursor(cursor, [str])[0]))
    rows = session.scalars(statement.limit(limit + 1)).all()
    found = tuple(_record_of(row) for row in rows[:limit])
    return Page(found, write_cursor([found[-1].id]) if len(rows) > limit else None)


def find_verdict(session: Session, film_id: str, verdict_id: str) -> VerdictRecord | None:
    """Return one verdict of a film."""
    row = session.scalar(
        select(VerdictRow).where(VerdictRow.id == verdict_id, VerdictRow.film_id == film_id)
    )
    return None if row is None else _record_of(row)


def store_verdict(
    session: Session,
    film_id: str,
    tag: str,
    verdict: Verdict | None,
    target: Target = WHOLE_FILM,
) -> VerdictRecord | None:
    """Keep what a human says of a tag, or with None forget it; the caller holds the film.

    Returns:
        The verdict as it is kept; None where it was forgotten.
    """
    session.execute(
        delete(VerdictRow).where(
            VerdictRow.film_id == film_id,
            VerdictRow.tag == tag,
            VerdictRow.scope == target.scope.value,
            VerdictRow.start_s == target.start_s,
            VerdictRow.end_s == target.end_s,
        )
    )
    if verdict is None:
        return None
    kept = VerdictRecord(new_film_id(), film_id, tag, target, verdict, datetime.now(UTC))
    session.execute(
        insert(VerdictRow).values(
            id=kept.id,
            film_id=film_id,
            tag=tag,
            scope=target.scope.value,
            start_s=target.start_s,
            end_s=target.end_s,
            verdict=verdict.value,
            created_at=kept.created_at,
        )
    )
    return kept


def _record_of(row: VerdictRow) -> VerdictRecord:
    target = Target(Scope(row.scope), row.start_s, row.end_s)
    return VerdictRecord(row.id, row.film_id, row.tag, target, Verdict(row.verdict), row.created_at)
