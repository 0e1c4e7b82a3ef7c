"""Queries over API keys: make, find by digest, list, revoke, count requests and uploads.

Works in the caller's session and never commits. Keeps digests only: no secret reaches this file.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import case, delete, func, insert, select, update
from sqlalchemy.orm import Session

from app.db.tables import ApiKeyRow, FilmRow, UploadSlotRow
from app.domain.access import ApiKey, Quota, Scope

UNSYNCHRONISED = {"synchronize_session": False}


@dataclass(frozen=True, slots=True)
class Stored:
    """What a key has uploaded and is still here."""

    film_count: int
    size_bytes: int


def insert_key(session: Session, key: ApiKey, digest: str) -> None:
    """Store a new key."""
    session.execute(
        insert(ApiKeyRow).values(
            id=key.id,
            name=key.name,
            digest=digest,
            scope=key.scope.value,
            max_bytes=key.quota.max_bytes,
            max_films=key.quota.max_films,
            max_uploads=key.quota.max_uploads,
            requests_per_min=key.quota.requests_per_min,
            next_request_s=0.0,
            created_at=key.created_at,
            expires_at=key.expires_at,
        )
    )


def find_by_digest(session: Session, digest: str) -> ApiKey | None:
    """Return the key whose secret has this digest, valid or not."""
    row = session.scalar(select(ApiKeyRow).where(ApiKeyRow.digest == digest))
    return None if row is None else _key_of(row)


def list_keys(session: Session) -> list[ApiKey]:
    """Return all keys, revoked ones too, the newest first."""
    rows = session.scalars(select(ApiKeyRow).order_by(ApiKeyRow.created_at.desc(), ApiKeyRow.id))
    return [_key_of(row) for row in rows]


def revoke_key(session: Session, key_id: str, now: datetime) -> ApiKey | None:
    """Take a key back; an earlier moment stays. None: no key has this id."""
    row = session.get(ApiKeyRow, key_id, with_for_update=True)
    if row is None:
        return None
    row.revoked_at = row.revoked_at or now
    session.flush()
    return _key_of(row)


def note_use(session: Session, key_id: str, now: datetime) -> None:
    """Remember that a key was used."""
    statement = update(ApiKeyRow).where(ApiKeyRow.id == key_id).values(last_used_at=now)
    session.execute(statement, execution_options=UNSYNCHRONISED)


def lock_key(session: Session, key_id: str) -> Quota:
    """Return a key's quota, and keep others from counting for it until the transaction ends."""
    row = session.get(ApiKeyRow, key_id, with_for_update=True)
    return Quota() if row is None else _key_of(row).quota


def stored_by(session: Session, key_id: str) -> Stored:
    """Return how much a key has uploaded that is still here."""
    found = session.execute(
        select(func.count(), func.coalesce(func.sum(FilmRow.size_bytes), 0)).where(
            FilmRow.key_id == key_id
        )
    ).one()
    return Stored(int(found[0]), int(found[1]))


def take_request(session: Session, key_id: str, per_min: int, now_s: float) -> float | None:
    """Count one request of a key, in one statement, so that any number of processes may.

    Args:
        session: A writing one.
        key_id: Whose request it is.
        per_min: How many may come in a minute.
        now_s: Seconds since the epoch.

    Returns:
        None where it may come; else the seconds after which the next one may.

    Source:
        Generic cell rate algorithm, ITU-T I.371, annex A, as a virtual schedule.
    """
    interval_s = 60.0 / per_min
    latest_s = now_s + 60.0 - interval_s
    due = ApiKeyRow.next_request_s
    # A row from a clock that was far ahead may not shut its key out for longer than a minute.
    taken = session.execute(
        update(ApiKeyRow)
        .where(ApiKeyRow.id == key_id, (due <= latest_s + 1e-6) | (due > now_s + 120.0))
        .values(next_request_s=case(
            ((due > now_s) & (due <= now_s + 120.0), due), else_=now_s) + interval_s)
        .returning(ApiKeyRow.id),
        execution_options=UNSYNCHRONISED,
    ).first()  # fmt: skip
    if taken is not None:
        return None
    due_s = session.scalar(select(due).where(ApiKeyRow.id == key_id)) or now_s
    return max(0.0, due_s - latest_s)


def take_slot(
    session: Session, slot_id: str, key_id: str, most: int, now: datetime, lease_s: float
) -> bool:
    """Begin an upload of a key, unless `most` are under way; the key must be locked."""
    session.execute(delete(UploadSlotRow).where(UploadSlotRow.expires_at <= now))
    taken = session.scalar(
        select(func.count()).select_from(UploadSlotRow).where(UploadSlotRow.key_id == key_id)
    )
    if (taken or 0) >= most:
        return False
    expires_at = now + timedelta(seconds=lease_s)
    session.execute(insert(UploadSlotRow).values(id=slot_id, key_id=key_id, expires_at=expires_at))
    return True


def keep_slot(session: Session, slot_id: str, expires_at: datetime) -> None:
    """Say that an upload is still under way."""
    statement = update(UploadSlotRow).where(UploadSlotRow.id == slot_id)
    session.execute(statement.values(expires_at=expires_at), execution_options=UNSYNCHRONISED)


def free_slot(session: Session, slot_id: str) -> None:
    """End an upload."""
    session.execute(delete(UploadSlotRow).where(UploadSlotRow.id == slot_id))


def _key_of(row: ApiKeyRow) -> ApiKey:
    quota = Quota(row.max_bytes, row.max_films, row.max_uploads, row.requests_per_min)
    return ApiKey(
        row.id, row.name, Scope(row.scope), quota, row.created_at, row.expires_at, row.revoked_at,
        row.last_used_at,
    )  # fmt: skip
