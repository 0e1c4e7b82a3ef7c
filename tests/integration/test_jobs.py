"""The queue on real databases: what is queued, taken, taken over and handed back."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from app.db.session import Database
from app.domain.plan import Plan, Wish
from app.domain.shots import Span
from app.errors import Cancelled, DatabaseUnavailable, NotAVideo, ReeltagError
from app.jobs import DbosJobQueue, Worker
from app.services.attendance import WorkerAttendance

PATIENCE_S = 30.0
"""How long a test waits for what must happen; only a failure takes so long."""

CHUNKS = 3


class Handler:
    """Writes down what it is asked to do; `before` is called first and may block or raise."""

    def __init__(self, before: Callable[[str, object], None] = lambda film_id, what: None) -> None:
        self.before = before
        self.done: list[tuple[str, object]] = []
        self.ended: dict[str, str] = {}
        self.wishes: dict[str, Wish] = {}

    def plan(self, film_id: str, run: int, check: Callable[[], None], wish: Wish) -> Plan:
        self.wishes[film_id] = wish
        self._do(film_id, "plan", check)
        return Plan(tuple(Span(chunk, None) for chunk in range(CHUNKS)), "starter-1")

    def analyse_chunk(
        self, film_id: str, run: int, plan: Plan, chunk: int, check: Callable[[], None]
    ) -> None:
        assert plan.spans[chunk].start_s == chunk
        self._do(film_id, chunk, check)

    def finish(self, film_id: str, run: int, plan: Plan) -> None:
        self._do(film_id, "finish", lambda: None)
        self.ended[film_id] = "done"

    def fail(self, film_id: str, run: int, error: ReeltagError) -> None:
        self.ended[film_id] = error.code

    def of(self, film_id: str) -> list[object]:
        return [what for film, what in self.done if film == film_id]

    def _do(self, film_id: str, what: object, check: Callable[[], None]) -> None:
        self.before(film_id, what)
        check()
        self.done.append((film_id, what))


ALL_STEPS: list[object] = ["plan", *range(CHUNKS), "finish"]


class Vanishing(WorkerAttendance):
    """A worker on another machine whose end nobody is told of."""

    def __init__(self, database: Database) -> None:
        super().__init__(database, dead_after_s=1)
        self._process = type(self._process)("elsewhere", "boot", "ns", 1, 1)

    def leave(self) -> None: ...


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """A database of this test alone, since the queue has tables of its own."""
    database = Database(database_url)
    database.migrate()
    yield database
    database.dispose()


@pytest.fixture
def queue(database: Database) -> Iterator[DbosJobQueue]:
    queue = DbosJobQueue(database.engine)
    queue.migrate()
    yield queue
    queue.dispose()


@contextmanager
def working(
    database: Database, handler: Handler, attendance: WorkerAttendance | None = None, **options: Any
) -> Iterator[None]:
    """Run a worker while the context lasts."""
    worker = Worker(
        database.engine,
        handler,
        attendance or WorkerAttendance(database, dead_after_s=1),
        **{"films_at_once": 2, "heartbeat_s": 0.2, "grace_s": 10.0} | options,
    )
    stop = threading.Event()
    thread = threading.Thread(target=worker.run, args=[stop])
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(PATIENCE_S)
        assert not thread.is_alive()


def enqueue(database: Database, queue: DbosJobQueue, *film_ids: str, run: int = 1) -> None:
    for film_id in film_ids:
        with database.session(write=True) as session:
            queue.enqueue(session, film_id, run)


def wait_until(condition: Callable[[], object]) -> None:
    deadline_s = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline_s, "it did not happen"
        time.sleep(0.02)


def test_queued_films_go_through_all_steps_once(database: Database, queue: DbosJobQueue) -> None:
    films = [f"film-{number}" for number in range(5)]
    enqueue(database, queue, *films)
    handler = Handler()

    with working(database, handler):
        wait_until(lambda: len(handler.ended) == 5)

    assert all(handler.of(film) == ALL_STEPS for film in films)


def test_so_many_films_at_once_and_no_more(database: Database, queue: DbosJobQueue) -> None:
    enqueue(database, queue, *"abcdef")
    lock, open_films, most = threading.Lock(), set[str](), [0]

    def before(film_id: str, what: object) -> None:
        with lock:
            open_films.add(film_id)
            most[0] = max(most[0], len(open_films))
            if what == "finish":
                open_films.discard(film_id)
        time.sleep(0.02)

    handler = Handler(before)
    with working(database, handler, films_at_once=3):
        wait_until(lambda: len(handler.ended) == 6)

    assert 1 < most[0] <= 3


def test_film_scored_from_features_does_not_wait_for_films_that_are_decoded(
    database: Database, queue: DbosJobQueue
) -> None:
    enqueue(database, queue, "long", "waiting")
    with database.session(write=True) as session:
        queue.enqueue(session, "quick", 2, Wish.FEATURES)
    release = threading.Event()

    def before(film_id: str, what: object) -> None:
        if film_id != "quick":
            assert release.wait(PATIENCE_S)

    handler = Handler(before)
    with working(database, handler, films_at_once=1):
        wait_until(lambda: "quick" in handler.ended)
        assert "long" not in handler.ended
        release.set()
        wait_until(lambda: len(handler.ended) == 3)

    assert handler.of("quick") == ALL_STEPS
    assert handler.wishes == {
        "long": Wish.DECODE, "waiting": Wish.DECODE, "quick": Wish.FEATURES
    }  # fmt: skip


def test_film_that_nobody_waits_for_comes_after_those_queued_behind_it(
    database: Database, queue: DbosJobQueue
) -> None:
    with database.session(write=True) as session:
        queue.enqueue(session, "patient", 2, Wish.DECODE_LATER)
    enqueue(database, queue, "first", "second")
    handler = Handler()
    with working(database, handler, films_at_once=1):
        wait_until(lambda: len(handler.ended) == 3)
    assert list(handler.ended) == ["first", "second", "patient"]


def test_job_of_a_rolled_back_transaction_does_not_exist(
    database: Database, queue: DbosJobQueue
) -> None:
    def queue_and_fail() -> None:
        with database.session(write=True) as session:
            queue.enqueue(session, "never", 1)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        queue_and_fail()
    enqueue(database, queue, "after")
    handler = Handler()

    with working(database, handler):
        wait_until(lambda: "after" in handler.ended)

    assert handler.of("never") == []


def test_same_run_queued_twice_is_done_once(database: Database, queue: DbosJobQueue) -> None:
    enqueue(database, queue, "film", "film")
    handler = Handler()
    with working(database, handler):
        wait_until(lambda: handler.ended)
        enqueue(database, queue, "film", "after")
        wait_until(lambda: "after" in handler.ended)

    assert handler.of("film") == ALL_STEPS


def test_next_run_of_a_film_is_a_job_of_its_own(database: Database, queue: DbosJobQueue) -> None:
    enqueue(database, queue, "film", run=1)
    handler = Handler()
    with working(database, handler):
        wait_until(lambda: handler.ended.pop("film", None))
        enqueue(database, queue, "film", run=2)
        wait_until(lambda: handler.ended.pop("film", None))

    assert handler.of("film") == ALL_STEPS * 2


def test_film_cancelled_in_the_queue_is_never_begun(
    database: Database, queue: DbosJobQueue
) -> None:
    enqueue(database, queue, "unwanted", "wanted")
    queue.cancel("unwanted", 1)
    handler = Handler()

    with working(database, handler):
        wait_until(lambda: handler.ended)

    assert handler.of("unwanted") == []


def test_film_cancelled_in_work_ends_and_its_worker_goes_on(
    database: Database, queue: DbosJobQueue
) -> None:
    enqueue(database, queue, "unwanted")

    def before(film_id: str, what: object) -> None:
        if film_id == "unwanted" and what == 1:
            queue.cancel("unwanted", 1)
            raise Cancelled("asked to")

    handler = Handler(before)
    with working(database, handler, films_at_once=1):
        wait_until(lambda: handler.of("unwanted") == ["plan", 0])
        enqueue(database, queue, "wanted")
        wait_until(lambda: handler.ended)

    assert handler.ended == {"wanted": "done"}
    assert handler.of("unwanted") == ["plan", 0]


def test_cancelling_what_is_not_queued_is_harmless(queue: DbosJobQueue) -> None:
    queue.cancel("unknown", 7)


def test_failed_film_is_not_tried_again_and_its_neighbours_finish(
    database: Database, queue: DbosJobQueue
) -> None:
    enqueue(database, queue, "bad", "good")

    def before(film_id: str, what: object) -> None:
        if film_id == "bad":
            raise NotAVideo("a text")

    handler = Handler(before)
    with working(database, handler):
        wait_until(lambda: len(handler.ended) == 2)

    assert handler.ended == {"bad": "not_a_video", "good": "done"}


def test_stopped_worker_ends_its_open_chunk_and_the_next_goes_on_from_there(
    database: Database, queue: DbosJobQueue
) -> None:
    enqueue(database, queue, "film")
    in_chunk, go_on = threading.Event(), threading.Event()

    def before(film_id: str, what: object) -> None:
        if what == 1:
            in_chunk.set()
            go_on.wait(PATIENCE_S)

    first, second = Handler(before), Handler()
    with working(database, first):
        assert in_chunk.wait(PATIENCE_S)
        threading.Timer(0.5, go_on.set).start()
    with working(database, second):
        wait_until(lambda: second.ended)

    assert first.of("film") == ["plan", 0, 1]
    assert second.of("film") == [2, "finish"]


def test_chunk_that_outlasts_the_stop_is_handed_back(
    database: Database, queue: DbosJobQueue
) -> None:
    enqueue(database, queue, "film")
    in_chunk, never = threading.Event(), threading.Event()
    checks: list[Callable[[], None]] = []

    class Slow(Handler):
        def _do(self, film_id: str, what: object, check: Callable[[], None]) -> None:
            if what == 1:
                in_chunk.set()
                checks.append(check)
                while not never.wait(0.02):
                    check()
            super()._do(film_id, what, check)

    slow, second = Slow(), Handler()
    with working(database, slow, grace_s=0.5):
        assert in_chunk.wait(PATIENCE_S)
    with working(database, second):
        wait_until(lambda: second.ended)

    assert checks
    assert slow.of("film") == ["plan", 0]
    assert second.of("film") == [1, 2, "finish"]


def test_films_of_a_worker_that_fell_silent_are_taken_over_by_a_living_one(
    database: Database, queue: DbosJobQueue
) -> None:
    enqueue(database, queue, "film")
    begun, never = threading.Event(), threading.Event()

    class Hanging(Handler):
        def _do(self, film_id: str, what: object, check: Callable[[], None]) -> None:
            if what == 1:
                begun.set()
                while not never.wait(0.02):
                    check()
            super()._do(film_id, what, check)

    first, second = Hanging(), Handler()
    with working(database, first, Vanishing(database), grace_s=0.1):
        assert begun.wait(PATIENCE_S)
    with working(database, second):
        wait_until(lambda: second.ended)

    assert first.of("film") == ["plan", 0]
    assert second.of("film") == [1, 2, "finish"]


def test_job_claimed_and_never_begun_is_queued_again(
    database: Database, queue: DbosJobQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    import dbos._queue

    begin = dbos._queue.execute_dequeued_workflow
    faults = [DatabaseUnavailable("away for a moment")]

    def begin_or_fail(*arguments: Any) -> Any:
        if faults:
            raise faults.pop()
        return begin(*arguments)

    monkeypatch.setattr(dbos._queue, "execute_dequeued_workflow", begin_or_fail)
    enqueue(database, queue, "film")
    handler = Handler()

    with working(database, handler):
        wait_until(lambda: handler.ended)

    assert handler.of("film") == ALL_STEPS
    assert not faults


def test_missing_job_tables_are_noticed(database: Database) -> None:
    queue = DbosJobQueue(database.engine)
    with pytest.raises(DatabaseUnavailable):
        queue.check()

    queue.migrate()
    queue.migrate()
    queue.check()
    queue.dispose()
