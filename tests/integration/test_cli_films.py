"""`reeltag films` and `reeltag models` on a real database and real files, without a server."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner, Result

from app.cli import app
from app.db.search import list_films
from app.db.session import Database
from app.domain.library import FilmQuery
from app.domain.tags import FilmTag, Segment
from tests.memory import finish, scored_shots, store_shots


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


def test_filters_of_the_rest_interface_are_options_of_the_list(film: Path):
    reeltag("films", "add", film, "--title", "Sea")
    for options, is_found in (
        (("--not-tag", "war", "--created-after", "2020-01-01"), True),
        (("--any-tag", "war", "--any-tag", "forest"), False),
        (("--created-before", "2020-01-01"), False),
        (("--model-version", "none"), False),
        (("--sort", "title"), True),
    ):
        found = json.loads(reeltag("films", "list", "--json", *options).output)
        assert len(found) == is_found, options
    assert reeltag("films", "list", "--sort", "sideways").exit_code == 2
    assert reeltag("films", "list", "--sort=-score").exit_code == 1


def test_a_film_is_exported_to_files_and_to_standard_output(film: Path, tmp_path: Path):
    reeltag("films", "add", film, "--title", "Sea")
    (listed,) = json.loads(reeltag("films", "list", "--json").output)
    film_id = listed["id"]
    assert json.loads(reeltag("export", film_id).output)["film"] == "sea.mp4"
    done = reeltag("export", film_id, "-f", "nfo,vtt,edl,otio,chapters,csv", "-o", tmp_path)
    assert done.exit_code == 0, done.output
    names = {"sea.nfo", "sea.reeltag.vtt", "sea.edl", "sea.otio", "sea.chapters.xml",
             "sea.reeltag.csv"}  # fmt: skip
    assert names <= {path.name for path in tmp_path.iterdir()}
    nfo = tmp_path / "mine.nfo"
    nfo.write_text("<movie><own/></movie>")
    again = reeltag("export", film_id, "-f", "nfo", "-o", nfo)
    assert (again.exit_code, nfo.read_text()) == (0, "<movie><own/></movie>")
    assert reeltag("export", film_id, "-f", "json,csv").exit_code == 2
    assert reeltag("export", film_id, "-f", "docx").exit_code == 2
    assert reeltag("export", "0" * 32).exit_code == 1


def test_a_folder_is_watched_until_all_is_analysed(film: Path, tmp_path: Path):
    empty = tmp_path / "arrivals"
    empty.mkdir()
    assert reeltag("watch", empty, "--once", "--every-s", "0.1").exit_code == 0
    (empty / "nothing.mp4").touch()
    done = reeltag("watch", empty, "--once", "--every-s", "0.1", "--settle-s", "0")
    assert (done.exit_code, "refused" in done.output) == (0, True)
    assert reeltag("watch", tmp_path / "missing", "--once").exit_code == 1
    assert reeltag("watch", empty, "--once", "--sidecar", "docx").exit_code == 2


def test_the_library_is_searched_from_the_command_line(film: Path, tmp_path: Path):
    reeltag("films", "add", film, "--title", "Sea")
    (listed,) = json.loads(reeltag("films", "list", "--json").output)
    database = Database(f"sqlite:///{tmp_path / 'data' / 'reeltag.sqlite3'}")
    found = SimpleNamespace(id=listed["id"], run=1)
    tags = [FilmTag("War", 0.5, 12.0, 2, 0.0)]
    finish(database, found, tags, segments=[Segment("War", 1.0, 13.0, 0.75)])  # type: ignore[arg-type]
    database.dispose()
    assert json.loads(reeltag("search", "tags", "--json", "--any-tag", "war").output) == {"War": 1}
    assert json.loads(reeltag("search", "tags", "--json", "--not-tag", "war").output) == {}
    (one,) = json.loads(reeltag("search", "segments", "war", "--json").output)
    assert (one["film_title"], one["end_s"]) == ("Sea", 13.0)
    assert "0:00:13" in reeltag("search", "segments", "war", "--newest").output
    assert "No segment" in reeltag("search", "segments", "war", "--min-score", "0.9").output
    (entry,) = json.loads(reeltag("search", "timeline", "--json", "--interval", "day").output)
    assert (entry["tag"], entry["film_count"], entry["coverage_s"]) == ("War", 1, 12.0)
    assert "No film is like it" in reeltag("search", "similar", listed["id"]).output
    assert reeltag("search", "similar", listed["id"], "--by", "mood").exit_code == 2
    assert reeltag("search", "similar", "0" * 32).exit_code == 1
    assert reeltag("search", "timeline", "--interval", "hour").exit_code == 2


def test_verdicts_are_said_listed_and_taken_back(film: Path):
    reeltag("films", "add", film)
    (listed,) = json.loads(reeltag("films", "list", "--json").output)
    film_id = listed["id"]
    assert "No verdict" in reeltag("verdicts", "list", film_id).output
    stretch = ("--from", "1.5", "--to", "9")
    assert reeltag("verdicts", "add", film_id, "war", "accepted", *stretch).exit_code == 0
    assert reeltag("verdicts", "add", film_id, "robot", "accepted").exit_code == 0
    found = json.loads(reeltag("verdicts", "list", film_id, "--json").output)
    assert [(one["scope"], one["tag"], one["start_s"]) for one in found] == [
        ("segment", "War", 1.5), ("film", "Robot", None),
    ]  # fmt: skip
    assert "0:00:09" in reeltag("verdicts", "list", film_id).output
    assert [one["tag"] for one in json.loads(reeltag("search", "segments", "war", "--json").output)
            ] == ["War"]  # fmt: skip
    assert reeltag("verdicts", "withdraw", film_id, found[0]["id"]).exit_code == 0
    assert reeltag("verdicts", "withdraw", film_id, found[0]["id"]).exit_code == 1
    assert "No segment" in reeltag("search", "segments", "war").output
    assert reeltag("verdicts", "clear-model-tags", film_id, "-y").exit_code == 1
    reeltag("films", "cancel", film_id)
    assert reeltag("verdicts", "clear-model-tags", film_id, "-y").exit_code == 0
    for wrong in (("maybe",), ("accepted", "--from", "1"), ("accepted", *stretch, "--frame", "0"),
                  ("accepted", "--from", "2", "--to", "1")):  # fmt: skip
        assert reeltag("verdicts", "add", film_id, "war", *wrong).exit_code == 2, wrong
    assert reeltag("verdicts", "add", film_id, "war", "accepted", "--frame", "0").exit_code == 1


def test_key_frames_to_review_are_listed_from_the_command_line(film: Path, tmp_path: Path):
    assert "No key frame" in reeltag("search", "review").output
    reeltag("films", "add", film, "--title", "Sea")
    database = Database(f"sqlite:///{tmp_path / 'data' / 'reeltag.sqlite3'}")
    with database.session() as session:
        (stored,) = list_films(session, FilmQuery()).items
    assert store_shots(database, stored, scored_shots([[0.9, 0.1, 0, 0, 0], [0.5, 0.4, 0, 0, 0]]))
    assert finish(database, stored)
    database.dispose()
    found = json.loads(reeltag("search", "review", "--json").output)
    assert [(one["n"], round(one["margin"], 2)) for one in found] == [(1, 0.1), (0, 0.8)]
    assert "0.100" in reeltag("search", "review", "--limit", "1").output
    assert reeltag("verdicts", "add", stored.id, "war", "rejected", "--frame", "1").exit_code == 0
    (left,) = json.loads(reeltag("search", "review", "--json").output)
    assert left["n"] == 0
