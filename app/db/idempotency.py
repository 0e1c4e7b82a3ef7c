"""Queries over requests that may be sent again. Works in the caller's session, never commits."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from app.db.tables import IdempotencyRow

UNSYNCHRONISED = {"synchronize_session": False}


@dataclass(frozen=True, slots=True)
class Found:
    """How a request stands: whose claim it is, and its answer once there is one."""

    claim: str
    fingerprint: str | None
    answer: dict[str, Any] | None


def claim(
    session: Session, caller: str, word: str, name: str, now: datetime, until: datetime
) -> Found:
    """Claim a request as `name`, unless it is claimed or answered; return how it stands now."""
    session.execute(delete(IdempotencyRow).where(IdempotencyRow.expires_at <= now))
    values = {"caller": caller, "word": word, "claim": name, "expires_at": until}
    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    session.execute(dialect.insert(IdempotencyRow).values(values).on_conflict_do_nothing())
    row = session.execute(
        select(IdempotencyRow.claim, IdempotencyRow.fingerprint, IdempotencyRow.answer).where(
            IdempotencyRow.caller == caller, IdempotencyRow.word == word
        )
    ).first()
    return Found(name, None, None) if row is None else Found(*row)


def change(session: Session, name: str, **values: Any) -> bool:  # noqa: ANN401
    """Change the row that is claimed as `name`; return whether it is still there."""
    statement = update(IdempotencyRow).where(IdempotencyRow.claim == name).values(**values)
    found = session.execute(
        statement.returning(IdempotencyRow.word), execution_options=UNSYNCHRONISED
    )
    return found.first() is not None


def forget(session: Session, name: str) -> None:
    """Delete the row that is claimed as `name`."""
    session.execute(delete(IdempotencyRow).where(IdempotencyRow.claim == name))
