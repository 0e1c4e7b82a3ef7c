import subprocess
import sys

import pytest
from typer.testing import CliRunner

from app.cli import app

HEAVY = (
    "alembic", "av", "boto3", "cv2", "dbos", "fastapi", "httpx", "keras", "numpy", "openvino",
    "pydantic", "rich", "sqlalchemy", "tensorflow", "uvicorn",
)  # fmt: skip


def test_help_loads_none_of_the_heavy_libraries():
    program = (
        "import sys; from typer.testing import CliRunner; from app.cli import app; "
        "known = set(sys.modules); CliRunner().invoke(app, ['--help']); "
        f"print(sorted(set({HEAVY!r}) & (set(sys.modules) | known)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (
            ["--help"],
            ["serve", "worker", "tag", "films", "models", "export", "watch", "REELTAG_DATA_DIR"],
        ),
        (["serve", "--help"], ["--host", "--port", "--no-worker"]),
        (["tag", "--help"], ["--json", "--sampling", "keyframes"]),
        (["films", "--help"], ["list", "show", "add", "cancel", "retag", "delete"]),
        (["films", "list", "--help"], ["--tag", "--min-coverage-s", "--status", "Example"]),
        (["films", "list", "--help"], ["--any-tag", "--not-tag", "--created-after", "--sort"]),
        (["search", "--help"], ["segments", "similar", "tags", "timeline"]),
        (["search", "tags", "--help"], ["--any-tag", "--model-version", "--json"]),
        (["verdicts", "--help"], ["add", "list", "withdraw", "clear-model-tags"]),
        (["export", "--help"], ["--format", "otio", "--output"]),
        (["watch", "--help"], ["--sidecar", "--once", "Example"]),
        (["models", "--help"], ["list"]),
        (["keys", "--help"], ["create", "list", "revoke"]),
        (["keys", "create", "--help"], ["--scope", "--max-films", "--requests-per-min"]),
    ],
    ids=lambda value: "-".join(value).strip("-") if isinstance(value, list) else None,
)
def test_help_teaches_commands_and_options(command: list[str], words: list[str]):
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0
    assert [word for word in words if word not in result.output] == []


def test_the_version_is_told():
    result = CliRunner().invoke(app, ["--version"])
    assert (result.exit_code, result.output.startswith("reeltag ")) == (0, True)


@pytest.mark.parametrize("command", [["films", "lost"], ["serve", "--port", "70000"], ["tag"]])
def test_a_mistake_on_the_command_line_ends_with_2(command: list[str]):
    assert CliRunner().invoke(app, command).exit_code == 2


def test_a_wrong_setting_is_named_in_one_line(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("REELTAG_PORT", "high")
    result = CliRunner().invoke(app, ["models", "list"])
    assert result.exit_code == 1
    assert "REELTAG_PORT" in result.output
    assert "Traceback" not in result.output
