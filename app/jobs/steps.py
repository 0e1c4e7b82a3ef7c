"""The steps of a film's job: what is called, called again after a fault, and given up.

Knows no queue and no database: a handler does the work, and errors say by their class whether
trying again can help. Every step may be repeated; its result is small and of plain types, because
the queue keeps it.
"""

import logging
import threading
from collections.abc import Callable
from typing import Protocol

from app.domain.plan import Plan, Wish
from app.domain.shots import Span
from app.errors import Cancelled, OperationalError, ReeltagError

logger = logging.getLogger(__name__)

MAX_TRIES = 3
"""An error nobody foresaw may be a passing one; a film that meets it three times fails."""

FIRST_WAIT_S = 1.0
LONGEST_WAIT_S = 60.0
"""Between tries the wait doubles from the first to the longest."""

PlanRecord = (
    tuple[str, list[tuple[float, float | None]]]
    | tuple[str, list[tuple[float, float | None]], int | None]
)
"""A plan in plain types: the model's version, start and end of each span, the source run. Plans
that were kept before there were source runs end early."""


class HandBack(BaseException):
    """The process is stopping: leave the film to whoever takes it up next.

    No `Exception`, so that nothing on the way takes it for a fault of the film and DBOS records
    no end of the job.
    """


class AnalysisHandler(Protocol):
    """Does the work of a job. Each call may be repeated after a crash and must then do no harm.

    `check` is to be called often; it raises where the work must be left at once.
    """

    def plan(self, film_id: str, run: int, check: Callable[[], None], wish: Wish) -> Plan:
        """Cut the film into chunks, after a probe or by what an earlier run left."""
        ...

    def analyse_chunk(
        self, film_id: str, run: int, plan: Plan, chunk: int, check: Callable[[], None]
    ) -> None:
        """Analyse and store chunk number `chunk`."""
        ...

    def finish(self, film_id: str, run: int, plan: Plan) -> None:
        """Make the film's tags from its chunks and show the run."""
        ...

    def fail(self, film_id: str, run: int, error: ReeltagError) -> None:
        """Record why the film cannot be analysed."""
        ...


class Steps:
    """Calls the handler with patience; safe from any thread.

    Args:
        handler: Does the work.
        stopping: Set when the process stops: no new work is begun.
        out_of_time: Set when open work must be left too.
    """

    def __init__(
        self, handler: AnalysisHandler, stopping: threading.Event, out_of_time: threading.Event
    ) -> None:
        self._handler = handler
        self._stopping = stopping
        self._out_of_time = out_of_time

    def plan(self, film_id: str, run: int, wish: Wish = Wish.DECODE) -> PlanRecord | str:
        """Return the plan, or the word for how the film ended over it.

        Raises:
            HandBack: The process is stopping; so from the other steps.
        """
        found: list[Plan] = []
        end = self._bring_about(
            film_id, run, lambda: found.append(self._handler.plan(film_id, run, self._check, wish))
        )
        if end:
            return end
        spans = [(span.start_s, span.end_s) for span in found[0].spans]
        return found[0].model_version, spans, found[0].source_run

    def chunk(self, film_id: str, run: int, plan: Plan, chunk: int) -> str:
        """Analyse a chunk; return how the film ended over it, empty where it goes on."""
        return self._bring_about(
            film_id,
            run,
            lambda: self._handler.analyse_chunk(film_id, run, plan, chunk, self._check),
        )

    def finish(self, film_id: str, run: int, plan: Plan) -> str:
        """Finish the film; return how it ended, empty where all went well."""
        return self._bring_about(film_id, run, lambda: self._handler.finish(film_id, run, plan))

    def _bring_about(self, film_id: str, run: int, work: Callable[[], None]) -> str:
        try:
            self._patiently(film_id, work)
        except Cancelled as exc:
            logger.info("film %s: %s", film_id, str(exc) or exc.title)
            return "cancelled"
        except ReeltagError as exc:
            logger.warning("film %s failed, %s: %s", film_id, exc.code, exc)
            error = exc
            self._patiently(film_id, lambda: self._handler.fail(film_id, run, error))
            return "failed"
        return ""

    def _patiently(self, film_id: str, work: Callable[[], None]) -> None:
        """Repeat `work` while what fails can mend by itself.

        Raises:
            ReeltagError: Trying again would not help.
            HandBack: The process is stopping.
        """
        wait_s, tries = FIRST_WAIT_S, 0
        while True:
            if self._stopping.is_set():
                raise HandBack
            try:
                return work()
            except OperationalError as exc:
                logger.warning("film %s waits %.0f s: %s: %s", film_id, wait_s, exc.code, exc)
            except ReeltagError:
                raise
            except Exception as exc:
                tries += 1
                if tries == MAX_TRIES:
                    logger.exception("film %s: unexpected error", film_id)
                    raise ReeltagError(f"{type(exc).__name__}: {exc}") from exc
                logger.warning("film %s: unexpected error, try again", film_id, exc_info=True)
            self._stopping.wait(wait_s)
            wait_s = min(LONGEST_WAIT_S, 2 * wait_s)

    def _check(self) -> None:
        if self._out_of_time.is_set():
            raise HandBack


def plan_of(record: PlanRecord) -> Plan:
    """Read a plan that was kept."""
    model_version, ends = record[:2]
    spans = tuple(Span(start_s, end_s) for start_s, end_s in ends)
    return Plan(spans, model_version, record[2] if len(record) == 3 else None)
