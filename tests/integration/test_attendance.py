"""Signs of life of workers, in a real database."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from app.db import workers
from app.db.session import Database
from app.db.tables import WorkerRow
from app.errors import DatabaseUnavailable
from app.services.attendance import ProcessName, WorkerAttendance

DEAD_AFTER_S = 30.0


class Clock:
    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def watcher(database: Database, clock: Clock) -> WorkerAttendance:
    attendance = WorkerAttendance(database, DEAD_AFTER_S, clock)
    attendance.beat()
    return attendance


@pytest.fixture
def other_process() -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-c", "import sys; sys.stdin.read()"]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
        yield process
        process.kill()


def beat(database: Database, executor_id: str, host: str = "elsewhere boot ns 7 7") -> None:
    with database.session(write=True) as session:
        workers.record_beat(session, executor_id, host)


def known(database: Database) -> set[str]:
    with database.session() as session:
        return {sign.executor_id for sign in workers.load_workers(session)}


def test_worker_that_beats_is_alive(
    database: Database, watcher: WorkerAttendance, clock: Clock
) -> None:
    for _ in range(10):
        beat(database, "other")
        assert watcher.gone(["other"]) == []
        clock.now_s += DEAD_AFTER_S * 0.9


def test_worker_silent_for_too_long_is_gone_and_forgotten_once_it_owns_nothing(
    database: Database, watcher: WorkerAttendance, clock: Clock
) -> None:
    beat(database, "other")
    assert watcher.gone(["other"]) == []

    clock.now_s += DEAD_AFTER_S + 1
    assert watcher.gone(["other"]) == ["other"]
    assert "other" in known(database)
    assert watcher.gone([]) == []
    assert "other" not in known(database)


def test_worker_heard_of_for_the_first_time_gets_its_time_whatever_its_clock_says(
    database: Database, watcher: WorkerAttendance
) -> None:
    beat(database, "other")
    with database.session(write=True) as session:
        session.execute(
            sa.update(WorkerRow)
            .where(WorkerRow.executor_id == "other")
            .values(beat_at=datetime(2001, 1, 1, tzinfo=UTC))
        )

    assert watcher.gone(["other"]) == []


def test_owner_that_left_is_gone_at_once(watcher: WorkerAttendance) -> None:
    assert watcher.gone(["left-long-ago"]) == ["left-long-ago"]


def test_a_worker_never_calls_itself_gone(watcher: WorkerAttendance, clock: Clock) -> None:
    clock.now_s += 10 * DEAD_AFTER_S

    assert watcher.gone([watcher.executor_id]) == []


def test_leaving_hands_all_films_back(database: Database, watcher: WorkerAttendance) -> None:
    leaving = WorkerAttendance(database, DEAD_AFTER_S)
    leaving.beat()
    assert watcher.gone([leaving.executor_id]) == []

    leaving.leave()

    assert watcher.gone([leaving.executor_id]) == [leaving.executor_id]


def test_after_an_outage_silence_is_forgiven_for_twice_the_limit(
    database: Database,
    watcher: WorkerAttendance,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    beat(database, "other")
    watcher.gone(["other"])
    clock.now_s += DEAD_AFTER_S - 1

    def away(*args: object, **options: object) -> None:
        raise DatabaseUnavailable("away")

    with monkeypatch.context() as outage:
        outage.setattr(database, "session", away)
        with pytest.raises(DatabaseUnavailable):
            watcher.gone(["other"])

    clock.now_s += DEAD_AFTER_S
    assert watcher.gone(["other"]) == []
    clock.now_s += DEAD_AFTER_S + 1
    assert watcher.gone(["other"]) == ["other"]


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_process_of_this_machine_that_was_killed_is_gone_at_once(
    database: Database, watcher: WorkerAttendance, other_process: subprocess.Popen[bytes]
) -> None:
    mine = ProcessName.mine()
    ticks = int(_stat(other_process.pid).rpartition(")")[2].split()[19])
    name = replace(mine, pid=other_process.pid, started=ticks)
    beat(database, "other", str(name))
    assert watcher.gone(["other"]) == []

    other_process.kill()
    other_process.wait()

    assert watcher.gone(["other"]) == ["other"]


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_paused_process_of_this_machine_is_gone_only_after_its_time(
    database: Database,
    watcher: WorkerAttendance,
    clock: Clock,
    other_process: subprocess.Popen[bytes],
) -> None:
    ticks = int(_stat(other_process.pid).rpartition(")")[2].split()[19])
    name = replace(ProcessName.mine(), pid=other_process.pid, started=ticks)
    os.kill(other_process.pid, signal.SIGSTOP)
    beat(database, "other", str(name))

    assert watcher.gone(["other"]) == []
    clock.now_s += DEAD_AFTER_S + 1
    assert watcher.gone(["other"]) == ["other"]


def test_number_of_a_dead_process_given_to_another_does_not_bring_it_back() -> None:
    mine = ProcessName.mine()

    assert not mine.is_surely_gone()
    assert replace(mine, started=mine.started + 1).is_surely_gone() == bool(mine.boot_id)


@pytest.mark.parametrize(
    "change", [{"boot_id": "another"}, {"namespace": "another"}], ids=["machine", "container"]
)
def test_process_that_cannot_be_seen_from_here_is_never_surely_gone(
    change: dict[str, Any],
) -> None:
    assert not replace(ProcessName.mine(), pid=2**22 + 1, **change).is_surely_gone()


def test_name_of_a_process_is_read_back() -> None:
    mine = ProcessName.mine()

    assert ProcessName.parse(str(mine)) == mine
    assert ProcessName.parse("something else") is None


def _stat(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text()
