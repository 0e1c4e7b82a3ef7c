"""The queue of films to analyse, kept by DBOS in the service's own database.

The only file that knows DBOS: swapping the job engine means rewriting this one. Knows nothing of
video, networks or film rows; what happens to a film is decided in `steps`.
"""

import logging
import threading
from collections.abc import Callable, Collection, Sequence
from typing import Any, Protocol

import sqlalchemy as sa
from dbos import DBOS, DBOSClient, DBOSConfig, EnqueueOptions
from sqlalchemy.orm import Session

from app.domain.plan import Wish
from app.errors import DatabaseUnavailable, OperationalError
from app.jobs.steps import AnalysisHandler, Steps, plan_of

logger = logging.getLogger(__name__)

APPLICATION = "reeltag"
QUEUE = "films"
RETAGS = "retags"
"""Films that are scored again from stored features: they never wait for one that is decoded."""

RETAGS_AT_ONCE = 8
"""Each takes 24 MB and mostly waits for the database."""

LATER = 1
"""Priority behind that of films which somebody asked for; those have none, which is the highest."""

WORKFLOW = "analyse_film"

VERSION = "1"
"""Name of the order of steps below. DBOS hashes the code when it has none, and then a film begun
before an upgrade is never taken up after it. Change it only with a step order that differs."""

POLL_S = 0.5
"""Seconds between two looks into an idle queue."""


class Attendance(Protocol):
    """Knows which worker processes live."""

    @property
    def executor_id(self) -> str:
        """Name of this process, like no other's before or after it."""
        ...

    def beat(self) -> None:
        """Give a sign of life.

        Raises:
            DatabaseUnavailable: Nobody will see it.
        """
        ...

    def gone(self, owners: Collection[str]) -> list[str]:
        """Return those of `owners`, executor ids, that will never go on with their films."""
        ...

    def leave(self) -> None:
        """Say that this process will not go on with its films."""
        ...


def workflow_id(film_id: str, run: int) -> str:
    """Return the name of the job of one run of a film; the same run is never queued twice."""
    return f"{film_id}-{run}"


class DbosJobQueue:
    """Where the service leaves jobs; runs none. Implements `ports.JobQueue`.

    Args:
        engine: The database that holds the films: film row and job are one transaction.
    """

    def __init__(self, engine: sa.Engine) -> None:
        quiet_dbos()
        self._engine = engine
        self._client = DBOSClient(
            system_database_engine=engine,
            application_name=APPLICATION,
            lazy=True,
            retry_connection_errors=False,
        )

    def migrate(self) -> None:
        """Bring the job tables up to date; safe in several processes at once.

        Raises:
            DatabaseUnavailable: The database does not answer.
        """
        try:
            DBOS.migrate(database_url(self._engine))
        except sa.exc.DBAPIError as exc:
            raise DatabaseUnavailable(str(exc.orig)) from exc

    def enqueue(self, session: Session, film_id: str, run: int, wish: Wish = Wish.DECODE) -> None:
        """Queue a run in the caller's transaction: it is there only when that commits."""
        options: EnqueueOptions = {
            "queue_name": RETAGS if wish is Wish.FEATURES else QUEUE,
            "workflow_name": WORKFLOW,
            "workflow_id": workflow_id(film_id, run),
            "app_version": VERSION,
        }
        if wish is Wish.DECODE_LATER:
            options["priority"] = LATER
        self._client.enqueue_in_transaction(session, options, film_id, run, wish.value)

    def cancel(self, film_id: str, run: int) -> None:
        """Take a run from the queue; one that a worker holds ends at its next check.

        Raises:
            DatabaseUnavailable: The database does not answer.
        """
        try:
            self._client.cancel_workflow(workflow_id(film_id, run))
        except sa.exc.DBAPIError as exc:
            raise DatabaseUnavailable(str(exc.orig)) from exc

    def check(self) -> None:
        """Raise `DatabaseUnavailable` where no job could be queued now."""
        try:
            self._client.list_workflows(limit=1, load_input=False, load_output=False)
        except sa.exc.SQLAlchemyError as exc:
            raise DatabaseUnavailable(f"the job tables cannot be read: {exc}") from exc

    def dispose(self) -> None:
        """Let go of what the queue holds; the engine stays the caller's."""
        self._client.destroy()


def database_url(engine: sa.Engine) -> str:
    """Return the address of an engine with its password, as DBOS wants it."""
    return engine.url.render_as_string(hide_password=False)


def quiet_dbos() -> None:
    """Let DBOS log through our handlers, and only what an operator must know."""
    dbos_logger = logging.getLogger("dbos")
    if not dbos_logger.handlers:
        dbos_logger.addHandler(logging.NullHandler())  # else it prints by itself
    dbos_logger.propagate = True
    dbos_logger.setLevel(logging.WARNING)
    if _expected not in dbos_logger.filters:
        dbos_logger.addFilter(_expected)


def _expected(record: logging.LogRecord) -> bool:
    """Drop what is said when a cancelled or taken-over run ends, which is all in order."""
    message = record.getMessage()
    return not ("recorded outcome" in message or "workflows remain active" in message)


class Worker:
    """Takes films from the queue and has them analysed, several at a time.

    Args:
        engine: The database that holds films and jobs.
        handler: Does the work.
        attendance: Knows which workers live.
        films_at_once: Films analysed at the same time; the last worker to start sets it for all.
        heartbeat_s: Seconds between two signs of life, and two looks for dead workers.
        grace_s: Seconds that an open chunk has to end when the worker is stopped.
    """

    def __init__(
        self,
        engine: sa.Engine,
        handler: AnalysisHandler,
        attendance: Attendance,
        *,
        films_at_once: int,
        heartbeat_s: float,
        grace_s: float = 20.0,
    ) -> None:
        self._url = database_url(engine)
        self._attendance = attendance
        self._films_at_once = films_at_once
        self._heartbeat_s = heartbeat_s
        self._grace_s = grace_s
        self._stopping = threading.Event()
        self._out_of_time = threading.Event()
        self._steps = Steps(handler, self._stopping, self._out_of_time)
        self._left = threading.Event()
        self._at_work: set[str] = set()
        self._idle: set[str] = set()

    def run(self, stop: threading.Event, on_ready: Callable[[], None] = lambda: None) -> None:
        """Work until `stop` is set, then finish or hand back what is open and return.

        Raises:
            DatabaseUnavailable: The database was not there at the start.
        """
        self._attendance.beat()
        beats = threading.Thread(target=self._beat, name="heartbeat", daemon=True)
        beats.start()
        try:
            self._launch()
            on_ready()
            while True:
                self._take_over()
                if stop.wait(self._heartbeat_s):
                    break
        finally:
            self._stop()
            self._left.set()
            beats.join()
            self._attendance.leave()

    def _launch(self) -> None:
        quiet_dbos()
        config: DBOSConfig = {
            "name": APPLICATION,
            "system_database_url": self._url,
            "application_version": VERSION,
            "executor_id": self._attendance.executor_id,
            "log_level": "WARNING",
        }
        DBOS(config=config)

        # Tries are counted by the handler, per chunk: DBOS also counts films that only stood by.
        @DBOS.workflow(name=WORKFLOW, max_recovery_attempts=None)
        def analyse_film(film_id: str, run: int, wish: str = Wish.DECODE.value) -> str:
            return self._analyse_film(film_id, run, Wish(wish))

        DBOS.launch()
        for queue, at_once in ((QUEUE, self._films_at_once), (RETAGS, RETAGS_AT_ONCE)):
            DBOS.register_queue(
                queue,
                worker_concurrency=at_once,
                polling_interval_sec=POLL_S,
                on_conflict="always_update",
            )

    def _stop(self) -> None:
        """Take no more films; give open chunks their time, then leave them."""
        self._stopping.set()
        timer = threading.Timer(self._grace_s, self._out_of_time.set)
        timer.start()
        DBOS.destroy(
            workflow_completion_timeout_sec=round(self._grace_s) + 5, destroy_registry=True
        )
        timer.cancel()
        self._out_of_time.set()

    def _beat(self) -> None:
        while not self._left.wait(self._heartbeat_s):
            try:
                self._attendance.beat()
            except OperationalError as exc:
                logger.warning("no sign of life could be given: %s", exc)

    def _take_over(self) -> None:
        """Put the films of dead workers back into the queue."""
        try:
            pending = DBOS.list_workflows(status="PENDING", load_input=False, load_output=False)
            me = self._attendance.executor_id
            self._take_up({job.workflow_id for job in pending if job.executor_id == me})
            owners = {job.executor_id for job in pending if job.executor_id}
            dead = self._attendance.gone(owners - {me})
            if dead:
                films = sum(job.executor_id in dead for job in pending)
                logger.warning("taking over %d films of %d dead workers", films, len(dead))
                _recover(dead)
        except (OperationalError, sa.exc.SQLAlchemyError) as exc:
            logger.warning("dead workers could not be looked for: %s", exc)

    def _take_up(self, mine: set[str]) -> None:
        """Queue again what this process holds and does not work on.

        It claimed such a job and met a database error before the first step; two looks, because
        a job just claimed looks the same.
        """
        idle = mine.difference(self._at_work)
        for job in idle & self._idle:
            logger.warning("job %s was claimed and not begun; it is queued again", job)
            DBOS.resume_workflow(job, queue_name=QUEUE)
        self._idle = idle

    def _analyse_film(self, film_id: str, run: int, wish: Wish) -> str:
        job = workflow_id(film_id, run)
        self._at_work.add(job)
        try:
            return self._go_through(film_id, run, wish)
        finally:
            self._at_work.discard(job)

    def _go_through(self, film_id: str, run: int, wish: Wish) -> str:
        """Go through the steps; their order and results are recorded, see `VERSION`."""
        planned = DBOS.run_step({"name": "plan"}, self._steps.plan, film_id, run, wish)
        if isinstance(planned, str):
            return planned
        plan = plan_of(planned)
        for chunk in range(len(plan.spans)):
            end = DBOS.run_step({"name": "chunk"}, self._steps.chunk, film_id, run, plan, chunk)
            if end:
                return end
        return DBOS.run_step({"name": "finish"}, self._steps.finish, film_id, run, plan) or "done"


def _recover(executor_ids: Sequence[str]) -> None:
    """Queue again what those executors hold.

    DBOS keeps this call to itself (its paid console makes it). The public way, `resume_workflow`,
    does not look at who holds the film now, so two workers could start it twice.
    """
    recover: Any = DBOS._recover_pending_workflows
    recover(list(executor_ids))
