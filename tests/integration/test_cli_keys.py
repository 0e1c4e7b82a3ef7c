"""`reeltag keys` on a real library."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from app.cli import app
from app.config import Settings
from app.db.session import Database
from app.domain.access import Quota, Scope
from app.services.keys import KeyService


@pytest.fixture(autouse=True)
def _data_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("REELTAG_DATA_DIR", str(tmp_path / "data"))


def reeltag(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def test_a_key_is_shown_once_and_opens_until_it_is_revoked():
    made = reeltag(
        "keys", "create", "scanner", "--scope", "write", "--max-films", "5", "--expires-days", "9"
    )
    assert made.exit_code == 0
    secret = made.stdout.strip()
    assert "not shown again" in made.stderr
    database = Database(Settings().resolved_database_url)
    keys = KeyService(database)
    caller = keys.caller(secret)
    assert (caller.scope, caller.quota) == (Scope.WRITE, Quota(max_films=5))

    listed = reeltag("keys", "list")
    assert "scanner" in listed.output
    assert "5 films" in listed.output
    (told,) = json.loads(reeltag("keys", "list", "--json").output)
    assert (told["id"], told["max_films"], told["revoked_at"]) == (caller.key_id, 5, None)
    for text in (listed.output, json.dumps(told)):
        assert secret not in text

    assert "revoked" in reeltag("keys", "revoke", str(caller.key_id)).output
    assert "revoked" in reeltag("keys", "list").output
    database.dispose()


def test_a_program_gets_the_key_as_json():
    made = json.loads(reeltag("keys", "create", "ci", "--json").stdout)
    assert made["key"].startswith("reeltag_")
    assert (made["scope"], made["expires_at"]) == ("read", None)


def test_mistakes_are_one_line():
    assert reeltag("keys", "list").output.strip() == "No key."
    unknown = reeltag("keys", "revoke", "nobody")
    assert (unknown.exit_code, "nobody" in unknown.output) == (1, True)
    assert reeltag("keys", "create", "x", "--scope", "root").exit_code == 2
    assert reeltag("keys", "create", "").exit_code == 1
