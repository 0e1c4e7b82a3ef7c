"""Queries over worker processes and over the pieces of work that they are at.

Works in the caller's session and never commits. Says what is recorded; who counts as dead, and
what too many tries are, is decided by the services.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, CursorResult, delete, func, insert, select, update
from sqlalchemy.orm import Session

from app.db.tables import AttemptRow, WorkerRow


@dataclass(frozen=True, slots=True)
class WorkerSign:
    """The last sign of life of a worker.

    Attributes:
        executor_id: The worker.
        host: Which process on which machine it is.
        beat_at: When, by the database's clock.
    """

    executor_id: str
    host: str
    beat_at: datetime


def record_beat(session: Session, executor_id: str, host: str) -> None:
    """Record that a worker lives, now by the database's clock."""
    now = _database_now(session)
    changed: CursorResult[Any] = session.execute(  # type: ignore[assignment]
        update(WorkerRow).where(WorkerRow.executor_id == executor_id).values(beat_at=now),
        execution_options={"synchronize_session": False},
    )
    if not changed.rowcount:
        values = {"executor_id": executor_id, "host": host, "started_at": now, "beat_at": now}
        session.execute(insert(WorkerRow).values(values))


def load_workers(session: Session) -> list[WorkerSign]:
    """Return the last sign of life of every worker that did not leave."""
    rows = session.execute(select(WorkerRow.executor_id, WorkerRow.host, WorkerRow.beat_at))
    return [WorkerSign(*row) for row in rows]


def delete_workers(session: Session, executor_ids: Collection[str]) -> None:
    """Forget workers."""
    session.execute(delete(WorkerRow).where(WorkerRow.executor_id.in_(executor_ids)))


def count_lost_attempts(
    session: Session, film_id: str, run: int, piece: int, executor_id: str
) -> int:
    """Return how many workers other than `executor_id` began this piece and never came back."""
    statement = (
        select(func.count())
        .select_from(AttemptRow)
        .where(*_piece(film_id, run, piece), AttemptRow.executor_id != executor_id)
    )
    return session.scalar(statement) or 0


def begin_attempt(session: Session, film_id: str, run: int, piece: int, executor_id: str) -> None:
    """Record that a worker is at this piece; the caller holds the film."""
    end_attempt(session, film_id, run, piece, executor_id)
    values = {"film_id": film_id, "run": run, "chunk": piece, "executor_id": executor_id,
              "started_at": datetime.now(UTC)}  # fmt: skip
    session.execute(insert(AttemptRow).values(values))


def end_attempt(session: Session, film_id: str, run: int, piece: int, executor_id: str) -> None:
    """Record that the worker lived through its attempt, whatever came of it."""
    session.execute(
        delete(AttemptRow).where(
            *_piece(film_id, run, piece), AttemptRow.executor_id == executor_id
        )
    )


def _piece(film_id: str, run: int, piece: int) -> tuple[ColumnElement[bool], ...]:
    return (AttemptRow.film_id == film_id, AttemptRow.run == run, AttemptRow.chunk == piece)


def _database_now(session: Session) -> ColumnElement[Any]:
    if session.get_bind().dialect.name == "sqlite":
        # in milliseconds, in the form that SQLAlchemy reads back: CURRENT_TIMESTAMP has seconds
        return func.strftime("%Y-%m-%d %H:%M:%f000", "now")
    return func.clock_timestamp()
