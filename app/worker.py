"""The worker process: takes films from the queue and analyses them until it is stopped.

Puts the parts together and obeys signals; knows nothing of how a film is analysed.
"""

import argparse
import ctypes
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType

from app import bootstrap
from app.config import Settings
from app.errors import ArtifactError, ReeltagError
from app.jobs import Worker
from app.logs import configure_logging
from app.ports import FrameClassifier
from app.services.attendance import WorkerAttendance
from app.services.registry import Services

logger = logging.getLogger("app.worker")  # `__name__` is another word in its own process

EXIT_UNUSABLE = 78
"""Another start would end the same way. Source: EX_CONFIG of sysexits.h."""

LAST_RESORT_S = 5.0
"""After a stop, threads that hang in a decoder or a network call do not keep the process longer."""

FIRST_SWEEP_S = 60.0
SWEEP_EVERY_S = 24 * 3600.0
"""Orphans harm nobody: a minute after the start, when films are under way, is soon enough."""

PR_SET_PDEATHSIG = 1
"""Source: prctl(2)."""


def run(
    settings: Settings,
    stop: threading.Event | None = None,
    build_classifier: Callable[..., FrameClassifier] | None = None,
) -> int:
    """Analyse films until SIGTERM or SIGINT, then finish or hand back what is open.

    Args:
        settings: What was set from outside.
        stop: Ends the work when it is set; None makes one that the signals set.
        build_classifier: Loads the network; None takes the one of `bootstrap`.

    Returns:
        The exit code: 0 when stopped, `EXIT_UNUSABLE` where the model cannot be used, 1 where
        something that the worker stands on was away at the start.
    """
    configure_logging(settings.log_level)
    if stop is None:
        stop = threading.Event()
        _obey_signals(stop)
    try:
        _work(settings, stop, build_classifier or bootstrap.build_classifier)
    except ArtifactError as exc:
        logger.error("%s", exc)
        return EXIT_UNUSABLE
    except ReeltagError as exc:
        logger.error("the worker cannot work: %s: %s", exc.code, exc)
        return 1
    return 0


def _work(
    settings: Settings, stop: threading.Event, build_classifier: Callable[..., FrameClassifier]
) -> None:
    services = bootstrap.build_services(settings)
    bootstrap.prepare_database(services)
    artifact = bootstrap.choose_artifact(services)
    classifier = build_classifier(settings, artifact)
    services.models.record(artifact)
    models = bootstrap.build_model_in_use(services, classifier, build_classifier)
    attendance = WorkerAttendance(services.database, settings.dead_after_s)
    worker = Worker(
        services.database.engine,
        bootstrap.build_analysis(services, models, attendance.executor_id),
        attendance,
        films_at_once=settings.worker_films,
        heartbeat_s=settings.heartbeat_s,
    )
    follow = threading.Thread(
        target=models.follow, args=(stop, settings.heartbeat_s), name="models", daemon=True
    )
    follow.start()
    sweeps = threading.Thread(target=_sweep_daily, args=(services, stop), name="sweep", daemon=True)
    sweeps.start()
    version = artifact.version
    worker.run(stop, on_ready=lambda: logger.info("worker ready, model %s", version))
    logger.info("worker stopped")


def _sweep_daily(services: Services, stop: threading.Event) -> None:
    """Delete, now and then, what interrupted uploads and deletions left behind."""
    while not stop.wait(FIRST_SWEEP_S):
        try:
            swept = services.films.sweep()
            logger.info("%d objects without a film were deleted", swept)
        except ReeltagError as exc:
            logger.warning("what was left behind could not be swept: %s", exc)
        if stop.wait(SWEEP_EVERY_S):
            return


def _obey_signals(stop: threading.Event) -> None:
    def on_signal(number: int, frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, on_signal)
    signal.signal(signal.SIGINT, on_signal)


def die_with(parent_pid: int) -> None:
    """Have this process killed when its parent ends, however that ends.

    Args:
        parent_pid: The parent as it knew itself; where it is gone already, this process ends now.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    else:
        threading.Thread(target=_watch_parent, args=(parent_pid,), daemon=True).start()
    if os.getppid() != parent_pid:
        os._exit(1)


def _watch_parent(parent_pid: int) -> None:
    while os.getppid() == parent_pid:
        time.sleep(0.5)
    os._exit(1)


def main() -> None:
    """Run the process that `reeltag serve` starts beside the REST interface."""
    parser = argparse.ArgumentParser(prog="python -m app.worker")
    parser.add_argument("--parent", type=int, help="process with which the worker ends")
    parent_pid: int | None = parser.parse_args().parent
    if parent_pid is not None:
        die_with(parent_pid)
    code = run(Settings())
    last = threading.Timer(LAST_RESORT_S, os._exit, [code])
    last.daemon = True
    last.start()
    sys.exit(code)


if __name__ == "__main__":
    main()
