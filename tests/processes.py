"""Starts the service's real processes on a library of a test, kills them, looks at what is left.

Knows the commands and the tables; leaves no process behind.
"""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from app import bootstrap
from app.config import Settings
from app.db import frames, workers
from app.db.tables import AttemptRow, ChunkRow, FrameRow, ShotRow
from app.domain.library import Film
from app.domain.shots import ScoredShot
from app.services.attendance import ProcessName

PATIENCE_S = 120.0
"""How long a test waits for what must happen; only a failure takes so long."""

WORKER = (sys.executable, "-m", "app.worker")
SERVE = (sys.executable, "-m", "app.cli", "serve", "--port", "0")

ADDRESS = re.compile(r"http://[\w.:\[\]]+")


def wait_until(condition: Callable[[], Any], what: str) -> Any:
    """Wait until `condition` gives something true, and return it."""
    deadline_s = time.monotonic() + PATIENCE_S
    while True:
        found = condition()
        if found:
            return found
        assert time.monotonic() < deadline_s, f"it did not happen: {what}"
        time.sleep(0.02)


@dataclass
class Library:
    """The data of one installation, and the processes that a test runs on it."""

    folder: Path
    database_url: str
    changes: dict[str, Any] = field(default_factory=dict)
    _processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def __post_init__(self) -> None:
        chosen: dict[str, Any] = {
            "data_dir": self.folder, "database_url": self.database_url, "chunk_s": 5.0,
            "heartbeat_s": 0.5, "dead_after_s": 10.0, "inference_threads": 1,
        }  # fmt: skip
        self.settings = Settings(**(chosen | self.changes))
        self.services = bootstrap.build_services(self.settings)
        bootstrap.prepare_database(self.services)

    @property
    def environment(self) -> dict[str, str]:
        chosen = self.settings.model_dump(mode="json", exclude_unset=True)
        named = {f"REELTAG_{name.upper()}": str(value) for name, value in chosen.items()}
        path = os.pathsep.join([str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
        return os.environ | named | {"PYTHONPATH": path}

    def add(self, path: Path, sampling: str | None = None) -> Film:
        """Take a film as the REST interface does."""
        incoming = self.services.films.incoming()
        incoming.write(path.read_bytes())
        return self.services.films.add(incoming, filename=path.name, sampling=sampling)[0]

    def film(self, film_id: str) -> Film:
        return self.services.films.get(film_id)

    def start(self, command: Sequence[str] = WORKER) -> subprocess.Popen[bytes]:
        log = (self.folder / "log").open("ab")
        with log:
            process = subprocess.Popen(command, env=self.environment, stdout=log, stderr=log)
        self._processes.append(process)
        return process

    def serve(self) -> tuple[subprocess.Popen[bytes], str]:
        """Start the whole service; return its process and its address."""
        skip = len(self.log())
        process = self.start(SERVE)

        def address() -> str:
            assert process.poll() is None, self.log()
            found = ADDRESS.search(self.log()[skip:])
            return found.group() if found else ""

        return process, wait_until(address, "the service is ready")

    def kill(self, process: subprocess.Popen[bytes]) -> None:
        process.send_signal(signal.SIGKILL)
        process.wait()

    def close(self) -> None:
        for process in self._processes:
            if process.poll() is None:
                process.kill()
            process.wait()
        for pid in self.worker_pids():
            os.kill(pid, signal.SIGKILL)
        self.services.database.dispose()

    def log(self) -> str:
        path = self.folder / "log"
        return path.read_text() if path.exists() else ""

    def worker_pids(self) -> list[int]:
        """Workers of this library that live on this machine."""
        names = [ProcessName.parse(sign.host) for sign in self._living_workers()]
        return [name.pid for name in names if name]

    def wait_for_end(self, film_id: str) -> Film:
        def ended() -> Film | None:
            film = self.film(film_id)
            return film if film.status.is_final else None

        film: Film = wait_until(ended, f"the film ends; log:\n{self.log()}")
        return film

    def chunks(self, film_id: str) -> dict[int, tuple[str, object]]:
        """Who stored which chunk when."""
        columns = (ChunkRow.chunk, ChunkRow.executor_id, ChunkRow.finished_at)
        rows = self._rows(sa.select(*columns).where(ChunkRow.film_id == film_id))
        return {row[0]: (row[1], row[2]) for row in rows}

    def lost_attempts(self, film_id: str) -> list[int]:
        """Pieces of the film that a worker was at when it died; one entry for each death."""
        alive = {sign.executor_id for sign in self._living_workers()}
        columns = (AttemptRow.chunk, AttemptRow.executor_id)
        rows = self._rows(sa.select(*columns).where(AttemptRow.film_id == film_id))
        return sorted(chunk for chunk, executor_id in rows if executor_id not in alive)

    def job_count(self, film_id: str) -> int:
        """Jobs that were ever queued for a film."""
        schema = "" if self.services.database.is_sqlite else "dbos."
        statement = f"SELECT count(*) FROM {schema}workflow_status WHERE workflow_uuid LIKE :prefix"
        count: int = self._rows(sa.text(statement).bindparams(prefix=f"{film_id}-%"))[0][0]
        return count

    def row_counts(self, film_id: str) -> tuple[int, int, int]:
        """Rows of chunks, shots and key frames, of all runs."""
        tables = (ChunkRow, ShotRow, FrameRow)
        counts = [
            self._rows(
                sa.select(sa.func.count()).select_from(table).where(table.film_id == film_id)
            )
            for table in tables
        ]
        return counts[0][0][0], counts[1][0][0], counts[2][0][0]

    def shots(self, film_id: str) -> list[ScoredShot]:
        with self.services.database.session() as session:
            return frames.load_scored_shots(session, film_id, self.film(film_id).run)

    def _living_workers(self) -> list[workers.WorkerSign]:
        with self.services.database.session() as session:
            signs = workers.load_workers(session)
        names = [ProcessName.parse(sign.host) for sign in signs]
        pairs = zip(signs, names, strict=True)
        return [sign for sign, name in pairs if name and not name.is_surely_gone()]

    def _rows(self, statement: Any) -> list[Any]:
        with self.services.database.session() as session:
            return list(session.execute(statement))


@contextmanager
def library(folder: Path, database_url: str = "", **changes: Any) -> Iterator[Library]:
    """Give a library, some settings changed; its processes end with the context."""
    opened = Library(folder, database_url, changes)
    try:
        yield opened
    finally:
        opened.close()
