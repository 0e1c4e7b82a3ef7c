"""Bounded tries: a film that kills its workers again and again is given up, its neighbours are not.

Before a piece of a film is worked on, the attempt is recorded; what stays recorded cost its worker
the life. When a worker dies, all films it was at are under suspicion, so the suspicious ones are
then worked on alone: the next death names the guilty one. Knows nothing of what a piece is.
"""

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from app.db import workers
from app.db.films import lock_active_run
from app.db.session import Database
from app.errors import Cancelled, DecoderCrashed, OperationalError

logger = logging.getLogger(__name__)

SUSPECT_AFTER = 2
"""One death can be anybody's, a restart of the machine for one; two at the same piece are not."""

MAX_LOST = 5
"""A piece of a film may cost so many workers their lives."""

WAIT_S = 0.2
"""Seconds between two looks whether the work is still wanted, while others are waited for."""


class Tries:
    """Counts and orders the attempts of one worker process; safe from any thread.

    Args:
        database: Where attempts are recorded.
        executor_id: This worker.
    """

    def __init__(self, database: Database, executor_id: str) -> None:
        self._database = database
        self._executor_id = executor_id
        self._turns = _Turns()

    @contextmanager
    def attempt(
        self, film_id: str, run: int, piece: int, check: Callable[[], None]
    ) -> Iterator[None]:
        """Work on one piece of a film within the context.

        Args:
            film_id: The film.
            run: The run.
            piece: Which piece of the run.
            check: Called while other films are waited for; what it raises ends the waiting.

        Raises:
            DecoderCrashed: Too many workers died of this piece.
            Cancelled: The run is not the film's active one.
        """
        key = (film_id, run, piece, self._executor_id)
        with self._database.session() as session:
            lost = workers.count_lost_attempts(session, *key)
        if lost >= MAX_LOST:
            raise DecoderCrashed(f"{lost} worker processes died while reading this film")
        with self._turns.take(lost >= SUSPECT_AFTER, check):
            with self._database.session(write=True) as session:
                if not lock_active_run(session, film_id, run):
                    raise Cancelled("the run is no longer wanted")
                workers.begin_attempt(session, *key)
            try:
                yield
            finally:
                self._end(*key)

    def _end(self, film_id: str, run: int, piece: int, executor_id: str) -> None:
        try:
            with self._database.session(write=True) as session:
                workers.end_attempt(session, film_id, run, piece, executor_id)
        except OperationalError as exc:
            # the next attempt of this process takes the row's place
            logger.warning("an attempt could not be ended: %s", exc)


class _Turns:
    """Many at once, or one alone; who wants to be alone goes first."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._together = 0
        self._alone = False
        self._waiting_alone = 0

    @contextmanager
    def take(self, alone: bool, check: Callable[[], None]) -> Iterator[None]:
        with self._changed:
            self._waiting_alone += alone
            try:
                while self._alone or (self._together if alone else self._waiting_alone):
                    self._changed.wait(WAIT_S)
                    check()
            finally:
                self._waiting_alone -= alone
                self._changed.notify_all()
            if alone:
                self._alone = True
            else:
                self._together += 1
        try:
            yield
        finally:
            with self._changed:
                if alone:
                    self._alone = False
                else:
                    self._together -= 1
                self._changed.notify_all()
