"""`reeltag films` and `reeltag models` on a real database and real files, without a server."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from app.cli import app


@pytest.fixture(autouse=True)
def _data_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("REELTAG_DATA_DIR", str(tmp_path / "data"))


@pytest.fixture
def film(tmp_path: Path) -> Path:
    path = tmp_path / "sea.mp4"
    path.write_bytes(b"the bytes of a film")
    return path


def reeltag(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_films_are_added_listed_shown_cancelled_retagged_and_deleted(film: Path):
    assert "No film" in reeltag("films", "list").output
    added = reeltag("films", "add", film, "--title", "Sea", "--sampling", "keyframes")
    assert (added.exit_code, "queued" in added.output) == (0, True)
    assert "is here already" in reeltag("films", "add", film).output
    (listed,) = json.loads(reeltag("films", "list", "--json").output)
    assert (listed["title"], listed["status"], listed["sampling"]) == ("Sea", "queued", "keyframes")
    film_id = listed["id"]
    assert film_id in reeltag("films", "list", "--status", "queued", "-q", "se").output
    assert "No film" in reeltag("films", "list", "--tag", "beach-sea").output
    shown = json.loads(reeltag("films", "show", film_id, "--json").output)
    assert (shown["filename"], shown["tags"], shown["segments"]) == ("sea.mp4", [], [])
    assert "No tags yet" in reeltag("films", "show", film_id).output
    assert "cancelled" in reeltag("films", "cancel", film_id).output
    assert "queued" in reeltag("films", "retag", film_id, "--sampling", "interval:2").output
    assert reeltag("films", "delete", film_id, "--yes").exit_code == 0
    assert "No film" in reeltag("films", "list").output


def test_a_refusal_is_one_line_and_the_exit_code_1(film: Path, tmp_path: Path):
    empty = tmp_path / "empty.mp4"
    empty.touch()
    for arguments, word in (
        (("films", "show", "nonsense"), "no film"),
        (("films", "add", tmp_path / "missing.mp4"), "missing.mp4"),
        (("films", "add", empty), "empty"),
        (("films", "add", film, "--sampling", "sometimes"), "sampling"),
        (("films", "list", "--tag", "robt"), "Robot"),
    ):
        result = reeltag(*arguments)
        assert result.exit_code == 1, arguments
        assert word in result.output
        assert len(result.output.strip().splitlines()) == 1
    assert "No film" in reeltag("films", "list").output
    assert not list((tmp_path / "data" / "incoming").iterdir())


def test_the_shipped_model_is_listed_before_any_worker_ran():
    (model,) = json.loads(reeltag("models", "list", "--json").output)
    assert model["active"] is True
    assert model["version"] in reeltag("models", "list").output


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("REELTAG_DATABASE_URL", "mysql://nowhere/films"),
        ("REELTAG_DATABASE_URL", "nonsense"),
        ("REELTAG_STORAGE_URL", "ftp://nowhere"),
    ],
)
def test_an_address_that_cannot_be_understood_is_told_in_one_line(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv(name, value)
    result = reeltag("films", "list")
    assert (result.exit_code, len(result.output.strip().splitlines())) == (1, 1)
