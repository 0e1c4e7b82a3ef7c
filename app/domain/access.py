"""Who calls, and how much they may do: scopes, quotas, API keys as frozen values.

Pure: knows no database, no HTTP and no key's secret.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Scope(StrEnum):
    """What a key is for; each holds those before it."""

    READ = "read"
    WRITE = "write"
    ADMIN = "admin"

    def covers(self, needed: "Scope") -> bool:
        """Whether a key with this scope may do what needs `needed`."""
        order = list(Scope)
        return order.index(self) >= order.index(needed)


@dataclass(frozen=True, slots=True)
class Quota:
    """How much a key may use; None is without limit.

    Attributes:
        max_bytes: Bytes of all films that it uploaded and that are still here.
        max_films: How many films that may be.
        max_uploads: Requests that send a film at the same time.
        requests_per_min: Requests in a minute; as many may come at once after a quiet minute.
    """

    max_bytes: int | None = None
    max_films: int | None = None
    max_uploads: int | None = None
    requests_per_min: int | None = None


@dataclass(frozen=True, slots=True)
class ApiKey:
    """An API key without its secret, which nobody knows but who was given it.

    Attributes:
        id: Names it in lists and logs; opens nothing.
        name: What people call it.
        scope: What it is for.
        quota: How much it may use.
        created_at: When it was made.
        expires_at: From when on it is refused; None: never.
        revoked_at: When it was taken back; None: it was not.
        last_used_at: When it was last used, to the hour; None: never.
    """

    id: str
    name: str
    scope: Scope
    quota: Quota
    created_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    last_used_at: datetime | None = None

    def is_valid(self, now: datetime) -> bool:
        """Whether it opens anything at `now`."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who sends a request; `key_id` is None where no key was needed.

    Attributes:
        key_id: The key's id.
        scope: What the caller may do.
        quota: How much.
    """

    key_id: str | None
    scope: Scope
    quota: Quota


ANYBODY = Caller(None, Scope.ADMIN, Quota())
"""Who calls a service that asks for no key: the people of this machine."""
