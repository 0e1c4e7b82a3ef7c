"""What `reeltag serve` says and how it ends where it cannot begin."""

import signal
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from app.worker import EXIT_UNUSABLE
from tests.processes import PATIENCE_S, SERVE, library

pytestmark = pytest.mark.slow


def test_model_that_cannot_be_used_ends_the_service_with_path_and_reason(tmp_path: Path) -> None:
    missing = tmp_path / "no-such-model"
    with library(tmp_path, model_path=missing) as house:
        service = house.start(SERVE)

        assert service.wait(PATIENCE_S) == EXIT_UNUSABLE
        assert str(missing) in house.log()
        assert "Traceback" not in house.log()


def test_second_service_on_a_taken_port_ends_and_leaves_the_first_alone(tmp_path: Path) -> None:
    with library(tmp_path) as house:
        first, address = house.serve()
        taken = str(urlsplit(address).port)

        second = house.start([*SERVE[:-1], taken])

        assert second.wait(PATIENCE_S) == 1
        assert httpx.get(f"{address}/healthz").status_code == 200
        first.send_signal(signal.SIGTERM)
        assert first.wait(PATIENCE_S) == 0
        assert house.worker_pids() == []
