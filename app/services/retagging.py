"""Brings films up to the model in use, a library at a time.

Only queues: each film is tagged anew by a job of its own, which goes on after a crash and shows
its result all at once. Asking again queues no film twice. Knows no network and no decoder.
"""

from dataclasses import dataclass

from app.db import films as rows
from app.db import stale
from app.db.session import Database
from app.domain.cursors import read_cursor, write_cursor
from app.domain.library import Film
from app.domain.plan import Wish
from app.errors import Conflict, InvalidRequest
from app.ports import JobQueue
from app.services.models import ModelService
from models.manifest import Manifest

AT_ONCE = 100
"""Films queued in one transaction: other writers wait a tenth of a second, not longer."""

MAX_LIMIT = 10_000
"""Films queued by one call."""


@dataclass(frozen=True, slots=True)
class RetagReport:
    """What one call queued.

    Attributes:
        model_version: The model that the films will be tagged with.
        queued: Films that were queued.
        from_features: Those of them whose stored features suffice: nothing is decoded.
        next_cursor: Where to go on; None: every film was looked at.
    """

    model_version: str
    queued: int
    from_features: int
    next_cursor: str | None


class Retagging:
    """Queues films to be tagged anew.

    Args:
        database: Where the films are.
        jobs: Where they wait for a worker.
        models: Knows which model is in use.
    """

    def __init__(self, database: Database, jobs: JobQueue, models: ModelService) -> None:
        self._database = database
        self._jobs = jobs
        self._models = models

    def retag(
        self,
        *,
        stale_only: bool = True,
        model: str | None = None,
        cursor: str | None = None,
        limit: int = 1000,
    ) -> RetagReport:
        """Queue films that are not in work, by their age, oldest first.

        A film whose features a model of the same base can score again is not decoded; all others
        are, after the films that were asked for by name.

        Args:
            stale_only: Only films whose shown tags are another model's than the one in use; else
                all, also those that failed.
            model: Only films whose shown tags are this model's.
            cursor: Where an earlier call ended.
            limit: Most films, 1 to `MAX_LIMIT`.

        Raises:
            InvalidRequest: Cursor or limit cannot be understood.
            Conflict: There is no model in use.
        """
        if not 1 <= limit <= MAX_LIMIT:
            raise InvalidRequest(f"limit is 1 to {MAX_LIMIT}, not {limit}")
        after = "" if cursor is None else str(read_cursor(cursor, [str])[0])
        current = self._models.current()
        if current is None:
            raise Conflict("no model is in use: activate one first")
        wanted = stale.Wanted(current.version if stale_only else None, model)
        queued = from_features = 0
        while queued < limit:
            most = min(AT_ONCE, limit - queued)
            with self._database.session(write=True) as session:
                found = stale.lock_films(session, wanted, after, most)
                for film in found:
                    wish = wish_for(film, current, somebody_waits=False)
                    anew = rows.begin_run(session, film.id)
                    if anew is not None:
                        self._jobs.enqueue(session, film.id, anew.run, wish)
                        queued += 1
                        from_features += wish is Wish.FEATURES
            if found:
                after = found[-1].id
            if len(found) < most:
                return RetagReport(current.version, queued, from_features, None)
        return RetagReport(current.version, queued, from_features, write_cursor([after]))


def wish_for(film: Film, current: Manifest | None, *, somebody_waits: bool) -> Wish:
    """Return how a film is to be tagged anew: from its features where that gives new tags."""
    if (
        current is not None
        and film.shown_run is not None
        and film.base_id == current.base_id
        and film.model_version != current.version
    ):
        return Wish.FEATURES
    return Wish.DECODE if somebody_waits else Wish.DECODE_LATER
