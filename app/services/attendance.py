"""Which worker processes live: signs of life in the database, and what this machine can see.

Knows no job. Clocks of other machines and of the database are never compared with ours: a worker
is dead when its sign of life has not changed for too long by our own steady clock.
"""

import os
import socket
import time
import uuid
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from app.db import workers
from app.db.session import Database
from app.errors import OperationalError

DISTURBED_FACTOR = 2
"""After a database error nobody is called dead for so many times the limit: all workers were
silent while the database was away, and need time to be heard again."""

PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class ProcessName:
    """A process, so named that no other on any machine has the same name.

    Attributes:
        hostname: For people.
        boot_id: One start of one machine; empty where the system does not tell.
        namespace: Which processes of that machine it can see.
        pid: Its number among them.
        started: When it started, in ticks since the boot: numbers are given again.
    """

    hostname: str
    boot_id: str
    namespace: str
    pid: int
    started: int

    @classmethod
    def mine(cls) -> "ProcessName":
        """Return the name of this process."""
        pid = os.getpid()
        try:
            boot_id = (PROC / "sys/kernel/random/boot_id").read_text().strip()
            namespace = (PROC / "self/ns/pid").readlink().name
        except OSError:
            return cls(socket.gethostname(), "", "", pid, 0)
        return cls(socket.gethostname(), boot_id, namespace, pid, _start_ticks(pid) or 0)

    @classmethod
    def parse(cls, text: str) -> "ProcessName | None":
        """Read what `str` wrote; None where another version wrote it."""
        parts = text.split(" ")
        if len(parts) != 5 or not (parts[3].isdecimal() and parts[4].isdecimal()):
            return None
        return cls(parts[0], parts[1], parts[2], int(parts[3]), int(parts[4]))

    def is_surely_gone(self) -> bool:
        """Whether this machine can tell that the process has ended; False also means unknown."""
        me = ProcessName.mine()
        if not self.boot_id or (self.boot_id, self.namespace) != (me.boot_id, me.namespace):
            return False
        return _start_ticks(self.pid) != self.started

    def __str__(self) -> str:
        words = (self.hostname, self.boot_id, self.namespace, self.pid, self.started)
        return " ".join(str(word) for word in words)


class WorkerAttendance:
    """Gives this process's signs of life and hears those of others. Implements `jobs.Attendance`.

    Args:
        database: Where signs of life are kept.
        dead_after_s: Silence after which a worker is dead.
        clock: Seconds that never jump.
    """

    def __init__(
        self,
        database: Database,
        dead_after_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.executor_id = uuid.uuid4().hex
        self._process = ProcessName.mine()
        self._database = database
        self._dead_after_s = dead_after_s
        self._clock = clock
        self._heard: dict[str, tuple[datetime, float]] = {}
        self._trusted_from_s = clock()

    def beat(self) -> None:
        """Give a sign of life.

        Raises:
            DatabaseUnavailable: Nobody will see it.
        """
        try:
            with self._database.session(write=True) as session:
                workers.record_beat(session, self.executor_id, str(self._process))
        except OperationalError:
            self._distrust()
            raise

    def gone(self, owners: Collection[str]) -> list[str]:
        """Return those of `owners` that will never go on with their films.

        A worker is gone when it left, when its process on this machine has ended, or when it gave
        no sign of life for too long. Workers that are gone and own nothing are forgotten.

        Raises:
            DatabaseUnavailable: It cannot be known now.
        """
        try:
            with self._database.session() as session:
                signs = workers.load_workers(session)
        except OperationalError:
            self._distrust()
            raise
        others = [sign for sign in signs if sign.executor_id != self.executor_id]
        self._heard = {
            sign.executor_id: self._heard[sign.executor_id]
            for sign in others
            if sign.executor_id in self._heard
        }
        dead = {sign.executor_id for sign in others if self._is_dead(sign)}
        forgotten = dead.difference(owners)
        if forgotten:
            with self._database.session(write=True) as session:
                workers.delete_workers(session, forgotten)
        alive = {sign.executor_id for sign in others} - dead
        return sorted(set(owners) - alive - {self.executor_id})

    def leave(self) -> None:
        """Say that this process will not go on with its films."""
        try:
            with self._database.session(write=True) as session:
                workers.delete_workers(session, [self.executor_id])
        except OperationalError:
            return  # the others will notice the silence

    def _is_dead(self, sign: workers.WorkerSign) -> bool:
        process = ProcessName.parse(sign.host)
        if process is not None and process.is_surely_gone():
            return True
        now_s = self._clock()
        heard_at, since_s = self._heard.get(sign.executor_id, (None, now_s))
        if heard_at != sign.beat_at:
            since_s = now_s
        self._heard[sign.executor_id] = (sign.beat_at, since_s)
        return now_s - since_s > self._dead_after_s and now_s >= self._trusted_from_s

    def _distrust(self) -> None:
        self._heard.clear()
        self._trusted_from_s = self._clock() + DISTURBED_FACTOR * self._dead_after_s


def _start_ticks(pid: int) -> int | None:
    """Return when a process started, None where there is none or it has ended.

    Source: proc_pid_stat(5), fields 3 (state) and 22 (starttime).
    """
    try:
        stat = (PROC / str(pid) / "stat").read_text()
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] in {"Z", "X"} else int(fields[19])
