"""API keys: make, list, take back, and tell who calls by the key that came along.

A key is 256 random bits; the database keeps its SHA-256 and nobody sees it twice. A slow or salted
hash, as passwords need, would add nothing: nobody can guess 256 bits, however fast the hash is, and
one that took a tenth of a second would be paid with every request. The digest of a guess cannot be
steered, so that finding it by an index tells nothing by the time it takes. Knows no HTTP.
"""

import hashlib
import math
import secrets
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import IPv6Address, ip_address

from app.db import keys as rows
from app.db.session import Database
from app.domain.access import ApiKey, Caller, Quota, Scope
from app.errors import (
    InvalidRequest,
    KeyNotFound,
    QuotaExceeded,
    RateLimited,
    TooManyUploads,
    Unauthorized,
)

PREFIX = "reeltag_"
"""Keys begin so: people, logs and secret scanners know one when they see it."""

SECRET_BYTES = 32

MAX_NAME_LETTERS = 100

USE_NOTED_EVERY = timedelta(hours=1)
"""`last_used_at` is no finer: reading must not become writing."""

LEASE_S = 60.0
"""An upload whose process died holds its place for so long; living ones renew it in time."""

RENEW_S = 20.0


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach what is bound to `host`."""
    if host == "localhost":
        return True
    try:
        address = ip_address(host)
    except ValueError:
        return False
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped.is_loopback
    return address.is_loopback


def digest_of(secret: str) -> str:
    """Return what the database keeps of a key."""
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()


class KeyService:
    """What can be done with API keys.

    Args:
        database: Where they are.
        clock: Seconds since the epoch; machines that share a library share the time to a second.
    """

    def __init__(self, database: Database, clock: Callable[[], float] = time.time) -> None:
        self._database = database
        self._clock = clock

    def create(
        self,
        name: str,
        scope: Scope = Scope.READ,
        quota: Quota | None = None,
        expires_at: datetime | None = None,
    ) -> tuple[ApiKey, str]:
        """Make a key; return it and its secret, which cannot be asked for again.

        Raises:
            InvalidRequest: The name is empty or too long.
        """
        name = name.strip()
        if not 0 < len(name) <= MAX_NAME_LETTERS or not name.isprintable():
            raise InvalidRequest(f"a key's name has 1 to {MAX_NAME_LETTERS} printable letters")
        secret = PREFIX + secrets.token_urlsafe(SECRET_BYTES)
        key = ApiKey(
            secrets.token_hex(6), name, scope, quota or Quota(), self._now(), expires_at
        )  # fmt: skip
        with self._database.session(write=True) as session:
            rows.insert_key(session, key, digest_of(secret))
        return key, secret

    def list(self) -> list[ApiKey]:
        """Return all keys, revoked ones too, the newest first."""
        with self._database.session() as session:
            return rows.list_keys(session)

    def revoke(self, key_id: str) -> ApiKey:
        """Take a key back, for the very next request of every process.

        Raises:
            KeyNotFound: No key has this id.
        """
        with self._database.session(write=True) as session:
            key = rows.revoke_key(session, key_id, self._now())
        if key is None:
            raise KeyNotFound(f"no API key has the id {key_id!r}; see `reeltag keys list`")
        return key

    def caller(self, secret: str) -> Caller:
        """Return who calls with this key.

        Raises:
            Unauthorized: It is not known, was taken back or has expired; which, is not told.
        """
        now = self._now()
        with self._database.session() as session:
            key = rows.find_by_digest(session, digest_of(secret))
        if key is None or not key.is_valid(now):
            raise Unauthorized("this API key is not known, was revoked or has expired")
        if key.last_used_at is None or now - key.last_used_at >= USE_NOTED_EVERY:
            with self._database.session(write=True) as session:
                rows.note_use(session, key.id, now)
        return Caller(key.id, key.scope, key.quota)

    def admit(self, caller: Caller) -> None:
        """Count one request of `caller`.

        The count is in the database, so that the limit holds for all API processes together; who
        has no limit costs no write.

        Raises:
            RateLimited: Too many came; the error says when the next one may.
        """
        per_min = caller.quota.requests_per_min
        if caller.key_id is None or per_min is None:
            return
        with self._database.session(write=True) as session:
            wait_s = rows.take_request(session, caller.key_id, per_min, self._clock())
        if wait_s is not None:
            raise RateLimited(
                f"this key may send {per_min} requests a minute", max(1, math.ceil(wait_s))
            )

    def check_room(self, caller: Caller, size_bytes: int) -> None:
        """Refuse early what could not be stored in the end; storing asks again, under a lock.

        Raises:
            QuotaExceeded: The key's films would be too many or too large.
        """
        quota = caller.quota
        if caller.key_id is None or (quota.max_bytes is None and quota.max_films is None):
            return
        with self._database.session() as session:
            stored = rows.stored_by(session, caller.key_id)
        check_quota(quota, stored, size_bytes)

    def take_slot(self, caller: Caller) -> "Slot":
        """Take one of the caller's places for uploads, which is to be renewed and freed.

        Only for a caller whose quota counts them.

        Raises:
            TooManyUploads: All are taken.
        """
        most = caller.quota.max_uploads
        if caller.key_id is None or most is None:
            raise ValueError("the uploads of this caller are not counted")
        slot_id = uuid.uuid4().hex
        with self._database.session(write=True) as session:
            rows.lock_key(session, caller.key_id)
            taken = rows.take_slot(session, slot_id, caller.key_id, most, self._now(), LEASE_S)
        if not taken:
            raise TooManyUploads(
                f"this key may send {most} films at the same time", math.ceil(RENEW_S)
            )
        return Slot(self._database, self._clock, slot_id)

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock(), UTC)


@dataclass(frozen=True, slots=True)
class Slot:
    """A place among a key's uploads."""

    database: Database
    clock: Callable[[], float]
    id: str

    def renew(self) -> None:
        """Say that the upload is still under way; to be called every `RENEW_S`."""
        until = datetime.fromtimestamp(self.clock() + LEASE_S, UTC)
        with self.database.session(write=True) as session:
            rows.keep_slot(session, self.id, until)

    def free(self) -> None:
        """End the upload."""
        with self.database.session(write=True) as session:
            rows.free_slot(session, self.id)


def check_quota(quota: Quota, stored: rows.Stored, size_bytes: int) -> None:
    """Compare what is stored, and `size_bytes` more, with what may be.

    Raises:
        QuotaExceeded: It is too much; the message names the limit.
    """
    if quota.max_films is not None and stored.film_count >= quota.max_films:
        raise QuotaExceeded(f"this key may keep {quota.max_films} films; delete one first")
    if quota.max_bytes is not None and stored.size_bytes + size_bytes > quota.max_bytes:
        raise QuotaExceeded(
            f"this key may keep {quota.max_bytes} bytes of films, has {stored.size_bytes}, "
            f"and this film has {size_bytes}"
        )
