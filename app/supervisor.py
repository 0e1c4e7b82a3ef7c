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
from app.api.connections import BoundedConnection
from app.config import Settings
from app.logs import configure_logging
from app.main import create_app
from app.services.keys import is_loopback
from app.services.registry import Services
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
    settings = settings.model_copy(update={"host": host, "port": port})
    services = bootstrap.build_services(settings)
    bootstrap.prepare_database(services)
    _tell_of_keys(services)
    config = uvicorn.Config(
        create_app(services),
        host=host,
        port=port,
        http=BoundedConnection,
        proxy_headers=False,  # nobody's word for where a request comes from is taken
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


def _tell_of_keys(services: Services) -> None:
    """Say at the start who may call, where that is not what a person expects."""
    settings = services.settings
    if settings.require_key == "never" and not is_loopback(settings.host):
        logger.warning(
            "anyone who reaches %s may do everything: no API key is asked", settings.host
        )
    asks = settings.require_key == "always" or (
        settings.require_key == "auto" and not is_loopback(settings.host)
    )
    if asks and not services.keys.list():
        logger.warning(
            "every request needs an API key and there is none: "
            "`reeltag keys create NAME --scope admin` makes one"
        )


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
