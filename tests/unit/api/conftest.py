from pathlib import Path
from typing import Any

import pytest

from app.main import create_app
from tests.api_client import AppClient, fake_services


@pytest.fixture
def services(tmp_path: Path) -> Any:
    return fake_services(tmp_path)


@pytest.fixture
def client(services: Any) -> AppClient:
    return AppClient(create_app(services))
