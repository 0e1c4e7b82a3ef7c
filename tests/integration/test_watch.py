"""A watched folder over the real services: complete files only, once each, files beside them."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from xml.etree import ElementTree

import pytest
from sqlalchemy import update

from app.db.tables import FilmRow
from app.domain.films import FilmStatus
from app.errors import DatabaseUnavailable, UserError
from app.services.watch import FolderWatch
from tests.integration.test_api_library import analyse, library

__all__ = ["library"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "films"
    path.mkdir()
    return path


class Watched:
    """A watch whose time passes when the test says so."""

    def __init__(self, library: SimpleNamespace, folder: Path, *sidecars: str) -> None:
        self.now_s = 0.0
        self.library = library
        self.watch = FolderWatch(
            library.services.films, folder, sidecars, settle_s=5.0, clock=lambda: self.now_s
        )

    def look(self, after_s: float = 0.0) -> list[tuple[str, str]]:
        self.now_s += after_s
        return [(event.what, event.path.name) for event in self.watch.look()]

    def films(self) -> list[Any]:
        found: list[Any] = self.library.client.get("/v1/films").json()["items"]
        return found

    def analyse_all(self) -> None:
        for film in self.films():
            if film["status"] == "queued":
                analyse(self.library, film["id"])


@pytest.fixture
def watched(library: SimpleNamespace, folder: Path) -> Watched:
    return Watched(library, folder, "nfo", "vtt", "json")


def test_a_file_is_taken_only_when_it_has_stopped_growing(watched: Watched, folder: Path):
    film = folder / "sea.mp4"
    film.write_bytes(b"half")
    assert watched.look() == []
    film.write_bytes(b"half and a bit")
    assert watched.look(6) == []
    assert watched.look(4) == []
    assert not watched.watch.is_idle
    assert watched.look(1) == [("taken", "sea.mp4")]
    (found,) = watched.films()
    assert (found["size_bytes"], found["title"]) == (14, "sea")
    assert watched.look(60) == []


def test_files_are_written_beside_a_film_when_it_is_analysed(watched: Watched, folder: Path):
    (folder / "below").mkdir()
    film = folder / "below" / "a day.mkv"
    film.write_bytes(b"a day")
    (folder / "below" / "a day.nfo").write_text("<movie><own>kept</own><tag>Mine</tag></movie>")
    watched.look()
    watched.look(6)
    watched.analyse_all()
    assert watched.look() == [
        ("done", "a day.mkv"), ("written", "a day.nfo"), ("written", "a day.reeltag.vtt"),
        ("written", "a day.reeltag.json"),
    ]  # fmt: skip
    assert watched.watch.is_idle
    root = ElementTree.parse(film.with_suffix(".nfo")).getroot()
    assert root.findtext("own") == "kept"
    assert [one.text for one in root.findall("tag")][:2] == ["Mine", "War"]
    found = json.loads((folder / "below" / "a day.reeltag.json").read_text(encoding="utf-8"))
    assert (found["film"], found["tags"][0]["tag"]) == ("a day.mkv", "War")
    names = {path.name for path in film.parent.iterdir()}
    assert names == {"a day.mkv", "a day.nfo", "a day.reeltag.vtt", "a day.reeltag.json"}


def test_the_same_bytes_are_one_film_also_after_a_restart(
    watched: Watched,
    library: SimpleNamespace,
    folder: Path,
):
    for name in ("one.mp4", "two.mp4"):
        (folder / name).write_bytes(b"the same")
    watched.look()
    assert watched.look(6) == [("taken", "one.mp4"), ("taken", "two.mp4")]
    watched.analyse_all()
    watched.look()
    again = Watched(library, folder, "nfo", "vtt", "json")
    again.look()
    assert again.look(6) == [
        ("known", "one.mp4"), ("done", "one.mp4"), ("known", "two.mp4"), ("done", "two.mp4"),
    ]  # fmt: skip
    assert len(again.films()) == 1
    assert len(library.jobs.queued) == 1
    assert not list((library.folder / "incoming").glob("*"))


def test_other_files_and_hidden_ones_are_left_alone(watched: Watched, folder: Path):
    (folder / ".cache").mkdir()
    for name in ("notes.txt", "cover.jpg", ".film.mp4", ".cache/film.mp4", "film.mp4.part"):
        (folder / name).write_bytes(b"x")
    (folder / "folder.mp4").mkdir()
    (folder / "gone.mp4").symlink_to(folder / "nowhere.mp4")
    watched.look()
    assert watched.look(60) == []
    assert watched.films() == []


def test_an_empty_file_is_refused_once_and_taken_when_it_is_filled(watched: Watched, folder: Path):
    film = folder / "a.mp4"
    film.touch()
    watched.look()
    assert watched.look(6) == [("refused", "a.mp4")]
    assert watched.look(6) == []
    film.write_bytes(b"now")
    watched.look()
    assert watched.look(6) == [("taken", "a.mp4")]


def test_a_film_that_fails_is_told_and_gets_no_files(watched: Watched, folder: Path):
    (folder / "a.mp4").write_bytes(b"no film")
    watched.look()
    watched.look(6)
    with watched.library.database.session(write=True) as session:
        failed = {"status": FilmStatus.FAILED.value, "error_detail": "no frames"}
        session.execute(update(FilmRow).values(**failed))
    assert [event.detail for event in watched.watch.look()] == ["no frames"]
    assert [path.name for path in folder.iterdir()] == ["a.mp4"]


def test_a_deleted_film_is_not_brought_back(watched: Watched, folder: Path):
    (folder / "a.mp4").write_bytes(b"film")
    watched.look()
    watched.look(6)
    (film,) = watched.films()
    watched.library.client.request("DELETE", f"/v1/films/{film['id']}")
    assert watched.look() == watched.look(60) == []
    assert watched.watch.is_idle


def test_an_nfo_that_cannot_be_understood_is_left_alone(watched: Watched, folder: Path):
    (folder / "a.mp4").write_bytes(b"film")
    nfo = folder / "a.nfo"
    nfo.write_bytes(b"<movie><broken")
    watched.look()
    watched.look(6)
    watched.analyse_all()
    assert ("refused", "a.nfo") in watched.look()
    assert nfo.read_bytes() == b"<movie><broken"


def test_while_the_library_is_away_nothing_is_lost(watched: Watched, folder: Path):
    (folder / "a.mp4").write_bytes(b"film")
    watched.look()
    watched.library.jobs.failure = DatabaseUnavailable("away")
    with pytest.raises(DatabaseUnavailable):
        watched.look(6)
    watched.library.jobs.failure = None
    assert watched.look() == [("taken", "a.mp4")]


def test_a_folder_that_is_not_there_is_told(watched: Watched, folder: Path):
    folder.rmdir()
    with pytest.raises(UserError, match="not a folder"):
        watched.look()
