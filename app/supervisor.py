"""`reeltag serve`: the REST interface in this process, a worker beside it.

Starts both, starts the worker again when it dies, stops both. Knows neither what is served nor
what the worker does.
"""

import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from types import FrameType

import uvicorn

from app import bootstrap
from app.config import Settings
from app.logs import configure_logging
from app.main import create_app
from app.worker import EXIT_UNUSABLE

logger = logging.getLogger(__name__)

WORKER_COMMAND = (sys.executable, "-m", "app.worker")

FIRST_WAIT_S = 1.0
LONGEST_WAIT_S = 30.0
"""Between two starts of a dying worker the wait doubles from the first to the longest."""

STEADY_S = 60.0
"""A worker that lived so long did not die of its start: the waits begin anew."""

STOP_S = 35.0
"""A worker that is told to stop gets so long: 30 s for an open chunk, and some to leave."""

REQUESTS_STOP_S = 5
"""Open requests, event streams above all, get so long to end."""

LOOK_S = 0.1
"""Seconds between two looks at the worker."""


def serve(
    settings: Settings,
    host: str,
    port: int,
    with_worker: bool = True,
    on_ready: Callable[[str], None] = lambda address: None,
    worker_command: Sequence[str] = WORKER_COMMAND,
) -> int:
    """Serve until SIGTERM or SIGINT.

    Args:
        settings: What was set from outside.
        host: Address to bind.
        port: Port to bind; 0 takes a free one.
        with_worker: Whether a worker runs beside the REST interface.
        on_ready: Called with the address once requests are answered.
        worker_command: What starts the worker; ``--parent PID`` is added.

    Returns:
        The exit code: 0 when stopped, 1 where the address is taken, else the worker's where it
        can never start.

    Raises:
        ReeltagError: Something the service stands on is away, or a setting is wrong.
    """
    configure_logging(settings.log_level)
    services = bootstrap.build_services(settings)
    bootstrap.prepare_database(services)
    config = uvicorn.Config(
        create_app(services),
        host=host,
        port=port,
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=REQUESTS_STOP_S,
    )
    server = _Server(config, on_ready)
    keeper = _WorkerKeeper(settings, worker_command, server.ask_to_stop)

    def on_signal(number: int, frame: FrameType | None) -> None:
        keeper.ask_to_stop()
        server.ask_to_stop()

    # uvicorn gives signals it caught back to these, where the default would end the process
    before = {
        number: signal.signal(number, on_signal) for number in (signal.SIGTERM, signal.SIGINT)
    }
    code = 0
    try:
        if with_worker:
            keeper.start()
        server.run()
    except SystemExit:  # how uvicorn says that the address is taken, after logging it
        code = 1
    finally:
        keeper.stop()
        for number, handler in before.items():
            signal.signal(number, handler)
    return code or keeper.exit_code


def environment_of(settings: Settings) -> dict[str, str]:
    """Return this process's variables with `settings` among them, for a child."""
    prefix = settings.model_config.get("env_prefix", "")
    values = settings.model_dump(mode="json")
    return os.environ | {
        f"{prefix}{name.upper()}": str(value) for name, value in values.items() if value is not None
    }


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, on_ready: Callable[[str], None]) -> None:
        super().__init__(config)
        self._on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started and not self.should_exit:
            host, port = self.servers[0].sockets[0].getsockname()[:2]
            self._on_ready(f"http://{f'[{host}]' if ':' in host else host}:{port}")

    def ask_to_stop(self) -> None:
        self.should_exit = True


class _WorkerKeeper:
    """Keeps a worker process running, from a thread of its own.

    The thread lives as long as the worker: the kernel ends the worker with the thread that started
    it, which makes it end with this process too.
    """

    def __init__(
        self, settings: Settings, command: Sequence[str], on_hopeless: Callable[[], None]
    ) -> None:
        self.exit_code = 0
        self._command = [*command, "--parent", str(os.getpid())]
        self._environment = environment_of(settings)
        self._on_hopeless = on_hopeless
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="worker-keeper")

    def start(self) -> None:
        self._thread.start()

    def ask_to_stop(self) -> None:
        self._stop.set()

    def stop(self) -> None:
        """Stop the worker and wait until it has ended."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _keep(self) -> None:
        wait_s = FIRST_WAIT_S
        while not self._stop.is_set():
            started_s = time.monotonic()
            code = self._run_one()
            if self._stop.is_set():
                return
            if code == EXIT_UNUSABLE:
                self.exit_code = code
                self._on_hopeless()
                return
            if time.monotonic() - started_s > STEADY_S:
                wait_s = FIRST_WAIT_S
            logger.warning("the worker ended with %d; it is started again in %.0f s", code, wait_s)
            self._stop.wait(wait_s)
            wait_s = min(LONGEST_WAIT_S, 2 * wait_s)

    def _run_one(self) -> int:
        """Run a worker until it ends or is to stop; return its exit code."""
        with subprocess.Popen(self._command, env=self._environment) as child:
            while child.poll() is None and not self._stop.wait(LOOK_S):
                pass
            if child.poll() is None:
                child.terminate()
                try:
                    child.wait(STOP_S)
                except subprocess.TimeoutExpired:
                    logger.warning("the worker did not stop and is killed")
                    child.kill()
            return child.wait()
