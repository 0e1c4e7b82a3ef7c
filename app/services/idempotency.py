"""Requests that may be sent again: the same word from the same caller gives the same answer.

A request claims its word before its body is read, and the claim expires unless it is renewed, so
that a process which dies leaves nothing behind. Only answers of success are kept: what was refused
may be tried again under the same word. Knows no HTTP.

Source:
    draft-ietf-httpapi-idempotency-key-header-07, The Idempotency-Key HTTP Header Field.
"""

import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from app.db import idempotency as rows
from app.db.session import Database
from app.errors import AnotherRequest, StillAnswering

LEASE_S = 60.0
"""A claim whose process died is free after so long."""

DAY_S = 86400.0


class Idempotency:
    """All requests of a library that may be sent again.

    Args:
        database: Where they are.
        expires_s: Seconds for which an answer is kept.
        clock: Seconds since the epoch.
    """

    def __init__(
        self,
        database: Database,
        expires_s: float = DAY_S,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.database = database
        self._expires_s = expires_s
        self._clock = clock

    def begin(self, key_id: str | None, word: str) -> "Claim":
        """Claim a request, or find what was answered to it.

        Args:
            key_id: The caller's API key; None where none was needed.
            word: What the caller calls the request.

        Raises:
            StillAnswering: It is being answered right now.
        """
        name = uuid.uuid4().hex
        now = self.after(0)
        with self.database.session(write=True) as session:
            found = rows.claim(session, key_id or "", word, name, now, self.after(LEASE_S))
        if found.claim != name and found.answer is None:
            raise StillAnswering("the request with this Idempotency-Key is not answered yet")
        return Claim(self, found.claim, found.fingerprint, found.answer)

    def after(self, seconds: float) -> datetime:
        """Return the moment so many seconds from now."""
        return datetime.fromtimestamp(self._clock(), UTC) + timedelta(seconds=seconds)

    def answered(self) -> datetime:
        """Return until when an answer of now is kept."""
        return self.after(self._expires_s)


@dataclass(frozen=True, slots=True)
class Claim:
    """A request: ours to answer, or answered before.

    Attributes:
        book: Where it is written down.
        name: Names the claim.
        fingerprint: Hash of the request that was answered; None: it is ours to answer.
        answer: What was answered to it.
    """

    book: Idempotency
    name: str
    fingerprint: str | None
    answer: dict[str, Any] | None

    def earlier(self, fingerprint: str) -> dict[str, Any] | None:
        """Return what was answered to this request before; None: nothing yet.

        Raises:
            AnotherRequest: What was answered was another request.
        """
        if self.answer is not None and self.fingerprint != fingerprint:
            raise AnotherRequest("this Idempotency-Key came with another body or other parameters")
        return self.answer

    def renew(self) -> None:
        """Say that the request is still being answered."""
        if self.answer is None:
            with self.book.database.session(write=True) as session:
                rows.change(session, self.name, expires_at=self.book.after(LEASE_S))

    def settle(self, fingerprint: str, answer: dict[str, Any]) -> None:
        """Keep the answer."""
        with self.book.database.session(write=True) as session:
            rows.change(
                session, self.name, fingerprint=fingerprint, answer=answer,
                expires_at=self.book.answered(),
            )  # fmt: skip

    def give_up(self) -> None:
        """Leave the request unanswered, for the next one who sends it."""
        if self.answer is None:
            with self.book.database.session(write=True) as session:
                rows.forget(session, self.name)
