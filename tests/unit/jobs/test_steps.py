import logging
import threading
from collections.abc import Callable
from typing import Any

import pytest

from app.domain.plan import Plan, Wish
from app.domain.shots import Span
from app.errors import Cancelled, DatabaseUnavailable, NotAVideo, ReeltagError
from app.jobs import steps as steps_module
from app.jobs.steps import HandBack, Steps, plan_of

PLAN = Plan((Span(0, 60), Span(60, None)), "starter-1")


class Handler:
    """Raises what it is given, one error a call, then does its work."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.calls: list[Any] = []
        self.failed: list[tuple[str, str]] = []
        self.wishes: list[Wish] = []

    def plan(self, film_id: str, run: int, check: Callable[[], None], wish: Wish) -> Plan:
        self._call("plan")
        self.wishes.append(wish)
        return PLAN

    def analyse_chunk(
        self, film_id: str, run: int, plan: Plan, chunk: int, check: Callable[[], None]
    ) -> None:
        self._call(chunk)
        check()

    def finish(self, film_id: str, run: int, plan: Plan) -> None:
        self._call("finish")

    def fail(self, film_id: str, run: int, error: ReeltagError) -> None:
        self.failed.append((error.code, str(error)))

    def _call(self, what: object) -> None:
        self.calls.append(what)
        if self.errors:
            raise self.errors.pop(0)


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps_module, "FIRST_WAIT_S", 0.001)
    monkeypatch.setattr(steps_module, "LONGEST_WAIT_S", 0.002)


def steps_of(handler: Handler) -> Steps:
    return Steps(handler, threading.Event(), threading.Event())


def test_plan_is_kept_in_plain_types_and_read_back() -> None:
    record = steps_of(Handler()).plan("film", 1)

    assert record == ("starter-1", [(0, 60), (60, None)], None)
    assert not isinstance(record, str)
    assert plan_of(record) == PLAN


def test_plan_kept_by_an_earlier_version_is_read_as_one_that_decodes() -> None:
    assert plan_of(("starter-1", [(0, 60), (60, None)])) == PLAN


def test_plan_that_takes_a_run_over_says_which_one() -> None:
    assert plan_of(("starter-2", [(0, None)], 3)) == Plan((Span(0, None),), "starter-2", 3)


def test_handler_is_told_how_the_film_is_wished_to_be_looked_at() -> None:
    handler = Handler()
    steps_of(handler).plan("film", 1, Wish.FEATURES)
    assert handler.wishes == [Wish.FEATURES]


def test_film_that_cannot_be_analysed_fails_at_once_with_its_code() -> None:
    handler = Handler(NotAVideo("a text"))

    assert steps_of(handler).plan("film", 1) == "failed"
    assert handler.calls == ["plan"]
    assert handler.failed == [("not_a_video", "a text")]


def test_outage_is_waited_out_however_long() -> None:
    handler = Handler(*[DatabaseUnavailable("away")] * 20)

    assert steps_of(handler).chunk("film", 1, PLAN, 1) == ""
    assert handler.calls == [1] * 21
    assert handler.failed == []


def test_unexpected_error_that_passes_does_no_harm() -> None:
    handler = Handler(RuntimeError("once"), RuntimeError("twice"))

    assert steps_of(handler).chunk("film", 1, PLAN, 0) == ""
    assert handler.failed == []


def test_unexpected_error_that_stays_fails_the_film_and_is_logged_with_its_place(
    caplog: pytest.LogCaptureFixture,
) -> None:
    handler = Handler(*[ZeroDivisionError("by zero")] * 9)

    assert steps_of(handler).finish("film", 1, PLAN) == "failed"
    assert handler.calls == ["finish"] * steps_module.MAX_TRIES
    assert handler.failed == [("internal_error", "ZeroDivisionError: by zero")]
    logged = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert len(logged) == 1
    assert logged[0].exc_info is not None


def test_cancelled_film_does_not_fail() -> None:
    handler = Handler(Cancelled("asked to"))

    assert steps_of(handler).chunk("film", 1, PLAN, 0) == "cancelled"
    assert handler.failed == []


def test_stopping_process_begins_nothing_new() -> None:
    handler, stopping = Handler(), threading.Event()
    stopping.set()

    with pytest.raises(HandBack):
        Steps(handler, stopping, threading.Event()).chunk("film", 1, PLAN, 0)
    assert handler.calls == []


def test_open_work_goes_on_while_stopping_until_time_is_out() -> None:
    handler, stopping, out_of_time = Handler(), threading.Event(), threading.Event()
    steps = Steps(handler, stopping, out_of_time)
    assert steps.chunk("film", 1, PLAN, 0) == ""

    out_of_time.set()
    with pytest.raises(HandBack):
        steps.chunk("film", 1, PLAN, 1)
    assert handler.failed == []


def test_stop_ends_the_waiting_of_a_film_in_an_outage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps_module, "FIRST_WAIT_S", 3600.0)
    stopping = threading.Event()

    class Stopper(Handler):
        def _call(self, what: object) -> None:
            stopping.set()
            super()._call(what)

    with pytest.raises(HandBack):
        Steps(Stopper(DatabaseUnavailable("away")), stopping, threading.Event()).plan("film", 1)
