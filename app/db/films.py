"""Queries over films: arrive, be found, change state, go.

Works in the caller's session and never commits. A write of a run names the run: one that is no
longer the film's current run, or was cancelled, changes nothing and says so.
"""

import secrets
import time
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, CursorResult, case, delete, func, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from app.db.tables import ChunkRow, FilmRow
from app.domain.films import FilmProbe, FilmStatus, Sampling, Stage
from app.domain.library import Film, NewFilm, source_key
from app.errors import ReeltagError

ACTIVE = (FilmStatus.QUEUED.value, FilmStatus.RUNNING.value)
"""States in which a run may still write."""


def new_film_id() -> str:
    """Make an id that sorts by time, 32 hexadecimal digits.

    Source: RFC 9562, section 5.7 (UUIDv7).
    """
    time_ms = time.time_ns() // 1_000_000
    head = (time_ms << 16 | 0x7000 | secrets.randbits(12)) << 64
    return f"{head | 0b10 << 62 | secrets.randbits(62):032x}"


def insert_film(session: Session, new: NewFilm) -> Film | None:
    """Store a new film as queued in its first run.

    Returns:
        The film; None, with nothing written, where one with the same bytes is there.
    """
    now = datetime.now(UTC)
    values = {
        "id": new.id, "sha256": new.sha256, "title": new.title, "filename": new.filename,
        "size_bytes": new.size_bytes, "source_key": source_key(new.id), "sampling": new.sampling,
        "status": FilmStatus.QUEUED.value, "stage": Stage.QUEUED.value, "progress": 0.0, "run": 1,
        "warnings": [], "created_at": now, "updated_at": now, "key_id": new.key_id,
    }  # fmt: skip
    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    statement = dialect.insert(FilmRow).values(values)
    session.execute(statement.on_conflict_do_nothing(index_elements=["sha256"]))
    return find_film(session, new.id)


def find_film(session: Session, film_id: str) -> Film | None:
    """Return the film with this id."""
    row = session.scalar(_fresh(FilmRow.id == film_id))
    return None if row is None else film_of(row)


def find_by_sha256(session: Session, sha256: str) -> Film | None:
    """Return the film with these bytes."""
    row = session.scalar(_fresh(FilmRow.sha256 == sha256))
    return None if row is None else film_of(row)


def lock_film(session: Session, film_id: str) -> Film | None:
    """Return the film and keep others from changing it until the transaction ends."""
    row = session.scalar(_fresh(FilmRow.id == film_id).with_for_update())
    return None if row is None else film_of(row)


def run_is_active(session: Session, film_id: str, run: int) -> bool:
    """Whether `run` is the film's current run and neither ended nor cancelled."""
    return session.scalar(select(FilmRow.id).where(*_active(film_id, run))) is not None


def lock_active_run(session: Session, film_id: str, run: int) -> bool:
    """Like `run_is_active`, and it stays so until the transaction ends."""
    statement = select(FilmRow.id).where(*_active(film_id, run)).with_for_update()
    return session.scalar(statement) is not None


def begin_run(session: Session, film_id: str, sampling: Sampling | None = None) -> Film | None:
    """Start the film's next run: queued, at the beginning, without the last one's error.

    What readers see stays; rows of earlier runs that were never shown go. None: no such film.
    """
    film = lock_film(session, film_id)
    if film is None:
        return None
    session.execute(
        update(FilmRow)
        .where(FilmRow.id == film_id)
        .values(
            run=FilmRow.run + 1,
            sampling=str(sampling) if sampling else FilmRow.sampling,
            status=FilmStatus.QUEUED.value,
            stage=Stage.QUEUED.value,
            progress=0.0,
            error_code=None,
            error_detail=None,
            updated_at=datetime.now(UTC),
        )
    )
    unseen = ChunkRow.run != film.shown_run if film.shown_run is not None else ChunkRow.run > 0
    session.execute(delete(ChunkRow).where(ChunkRow.film_id == film_id, unseen))
    return find_film(session, film_id)


def set_status(
    session: Session,
    film_id: str,
    run: int,
    status: FilmStatus,
    *,
    stage: Stage | None = None,
    error: ReeltagError | None = None,
) -> bool:
    """Move an active run to `status`; False, with nothing changed, where the run is not active.

    Args:
        session: A session that writes.
        film_id: The film.
        run: The run that speaks.
        status: The new state. A final one is final for this run.
        stage: What the worker is doing; None leaves it, a final status makes it ``finished``.
        error: Why it failed.
    """
    values: dict[str, Any] = {"status": status.value, "updated_at": datetime.now(UTC)}
    if stage is not None or status.is_final:
        values["stage"] = (stage or Stage.FINISHED).value
    if error is not None:
        values |= {"error_code": error.code, "error_detail": str(error) or error.title}
    return _change(session, film_id, run, values)


def set_progress(session: Session, film_id: str, run: int, stage: Stage, progress: float) -> bool:
    """Say how far an active run is, in [0, 1]; it never goes backwards within a run.

    Returns:
        False, with nothing changed, where the run was cancelled, replaced or deleted: the worker
        then has nothing left to do.
    """
    ahead = case((FilmRow.progress < progress, progress), else_=FilmRow.progress)
    values = {
        "status": FilmStatus.RUNNING.value,
        "stage": stage.value,
        "progress": ahead,
        "updated_at": datetime.now(UTC),
    }
    return _change(session, film_id, run, values)


def store_probe(session: Session, film_id: str, run: int, probe: FilmProbe) -> bool:
    """Keep what the file says of itself; False, with nothing changed: the run is not active."""
    values = {
        "duration_s": probe.duration_s, "width_px": probe.width_px, "height_px": probe.height_px,
        "frame_rate": probe.frame_rate, "codec": probe.codec[:32],
        "container": probe.container[:32], "updated_at": datetime.now(UTC),
    }  # fmt: skip
    return _change(session, film_id, run, values)


def delete_film(session: Session, film_id: str) -> Film | None:
    """Delete the film and all its rows; return what it was, None where there was none."""
    film = lock_film(session, film_id)
    if film is not None:
        session.execute(delete(FilmRow).where(FilmRow.id == film_id))
    return film


def count_by_status(session: Session) -> dict[FilmStatus, int]:
    """Return how many films stand in each state; states without films count 0."""
    rows = session.execute(select(FilmRow.status, func.count()).group_by(FilmRow.status))
    found = {status: count for status, count in rows}
    return {status: found.get(status.value, 0) for status in FilmStatus}


def existing_ids(session: Session, film_ids: list[str]) -> set[str]:
    """Return those of `film_ids` that have a film."""
    return set(session.scalars(select(FilmRow.id).where(FilmRow.id.in_(film_ids))))


def film_of(row: FilmRow) -> Film:
    """Turn a row into the value that leaves this folder."""
    return Film(
        id=row.id, sha256=row.sha256, title=row.title, filename=row.filename,
        size_bytes=row.size_bytes, source_key=row.source_key, sampling=row.sampling,
        status=FilmStatus(row.status), stage=Stage(row.stage), progress=row.progress, run=row.run,
        shown_run=row.shown_run, model_version=row.model_version, base_id=row.base_id,
        duration_s=row.duration_s, width_px=row.width_px, height_px=row.height_px,
        frame_rate=row.frame_rate, codec=row.codec, container=row.container,
        error_code=row.error_code, error_detail=row.error_detail, warnings=tuple(row.warnings),
        created_at=row.created_at, updated_at=row.updated_at, analysed_at=row.analysed_at,
    )  # fmt: skip


def _fresh(condition: ColumnElement[bool]) -> Any:  # noqa: ANN401
    """Select a film's row as it is now, not as this session saw it before."""
    return select(FilmRow).where(condition).execution_options(populate_existing=True)


def _active(film_id: str, run: int) -> tuple[ColumnElement[bool], ...]:
    return FilmRow.id == film_id, FilmRow.run == run, FilmRow.status.in_(ACTIVE)


def _change(session: Session, film_id: str, run: int, values: dict[str, Any]) -> bool:
    statement = update(FilmRow).where(*_active(film_id, run)).values(values)
    result = session.execute(statement, execution_options={"synchronize_session": False})
    return isinstance(result, CursorResult) and result.rowcount == 1
