"""`reeltag models` and `reeltag films retag` for many films, on a real library."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from app.cli import app
from app.config import Settings
from app.db.session import Database
from tests.artifacts import write_artifact
from tests.fakes import make_manifest
from tests.memory import finish, row, scored_shots, store_film, store_shots


@pytest.fixture(autouse=True)
def _data_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("REELTAG_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("REELTAG_PRECISION", "fp32")


def reeltag(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def made(folder: Path, version: str, ap: float, **changes: object) -> Path:
    figures = {"War": {"ap": ap, "precision": 0.5, "recall": 0.5, "support": 4}}
    metrics = {"macro_map": ap, "hit_at_3": 0.5, "per_tag": figures}
    manifest = make_manifest(version=version, metrics={"hit_at_3": 0.5}, **changes)
    return write_artifact(folder / version, manifest, metrics=metrics).path


def test_models_are_added_listed_compared_and_activated(tmp_path: Path):
    tags = ("Forest", "War", "Desert")
    one, two = made(tmp_path, "made-1", 0.25), made(tmp_path, "made-2", 0.5, tags=tags)
    assert "made-1  added" in reeltag("models", "add", one).output
    assert "made-1  is here already" in reeltag("models", "add", one).output
    assert reeltag("models", "add", two).exit_code == 0

    compared = json.loads(reeltag("models", "compare", "made-1", "made-2", "--json").output)
    assert compared["totals"]["macro_map"] == {"a": 0.25, "b": 0.5}
    assert (compared["tags"][0]["tag"], compared["tags"][0]["gain"]) == ("War", 0.25)
    assert set(compared["only_a"]) == {"Beach/Sea", "Robot", "Food"}
    assert compared["only_b"] == ["Desert"]
    table = reeltag("models", "compare", "made-1", "made-2").output
    assert "+0.250" in table
    assert "only in made-2: Desert" in table

    assert "made-2  active" in reeltag("models", "activate", "made-2").output
    listed = json.loads(reeltag("models", "list", "--json").output)
    assert {model["version"]: model["active"] for model in listed} == {
        "made-1": False, "made-2": True
    }  # fmt: skip


def test_refusals_are_one_line_and_the_exit_code_1(tmp_path: Path):
    damaged = made(tmp_path, "made-1", 0.5)
    (damaged / "network.xml").write_text("?")
    for arguments, word in (
        (("models", "add", tmp_path / "nowhere"), "nowhere"),
        (("models", "add", damaged), "network.xml"),
        (("models", "activate", "nobody"), "nobody"),
        (("models", "compare", "nobody", "made-1"), "nobody"),
    ):
        result = reeltag(*arguments)
        assert (result.exit_code, len(result.output.strip().splitlines())) == (1, 1), result.output
        assert word in result.output


def test_stale_films_are_queued_from_their_features(tmp_path: Path):
    for version in ("made-1", "made-2"):
        reeltag("models", "add", made(tmp_path, version, 0.5))
    reeltag("models", "activate", "made-2")
    database = Database(Settings().resolved_database_url)
    for model in ("made-1", "made-2"):
        film = store_film(database)
        store_shots(database, film, scored_shots([row(War=0.9)]))
        finish(database, film, model_version=model)
    database.dispose()

    result = reeltag("films", "retag", "--stale", "--model", "made-1")
    assert result.output.strip() == "1 films queued for made-2, 1 of them from stored features"
    assert "0 films queued" in reeltag("films", "retag", "--stale").output
    assert "1 films queued for made-2, 0 of them" in reeltag("films", "retag", "--all").output


@pytest.mark.parametrize(
    "arguments",
    [(), ("--stale", "--all"), ("abc", "--stale"), ("--stale", "--sampling", "shots")],
    ids=["nothing", "both", "film too", "sampling"],
)
def test_retag_wants_a_film_or_a_choice_of_films(arguments: tuple[str, ...]):
    assert reeltag("films", "retag", *arguments).exit_code == 2
