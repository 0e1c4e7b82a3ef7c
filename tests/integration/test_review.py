"""Which key frames humans are asked of next, and the dataset that their answers become."""

import csv
import io
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from sqlalchemy import event, update

from app.db.session import Database
from app.db.tables import FrameRow
from app.domain.library import features_key
from app.services.corrections import Corrections
from app.services.models import ModelService
from app.storage.local import LocalStorage
from reeltag.client import Client, walk
from reeltag.errors import FeaturesNotFound, FilmNotFound, InvalidRequest
from reeltag.types import UnsureFrame
from tests.fakes import TAGS
from tests.integration.test_api_library import ROWS, analyse, library
from tests.integration.test_client import address, client
from tests.memory import finish, scored_shots, store_shots
from training.corrections import build_dataset
from training.dataset import read_collection
from training.errors import BadDataError
from training.known import read_known_frames

__all__ = ["address", "client", "library"]

FILMS = 3
FEATURES = np.arange(len(ROWS) * 4, dtype=np.float16).reshape(len(ROWS), 4)


@pytest.fixture
def films(client: Client, library: SimpleNamespace) -> list[str]:
    """Three films of four key frames: margins 0.85, 0.3, 0.8 and 0.7; features are stored."""
    found = []
    for number in range(FILMS):
        added = client.add_film(io.BytesIO(b"film %d" % number), title=f"Film {number}")
        film = analyse(library, added.film.id)
        stream = io.BytesIO()
        np.save(stream, FEATURES + number)
        key = features_key(film.id, film.run, "0123456789abcdef")
        library.storage.put_bytes(key, stream.getvalue())
        found.append(film.id)
    return found


def queue(client: Client, limit: int = 2) -> list[UnsureFrame]:
    return list(walk(client.list_review, limit=limit))


def test_least_sure_frames_of_all_films_come_first_and_once(client: Client, films: list[str]):
    found = queue(client)
    assert [round(one.margin, 3) for one in found] == sorted([0.3, 0.7, 0.8, 0.85] * FILMS)
    assert len({(one.film_id, one.n) for one in found}) == 4 * FILMS
    first = found[0]
    assert [tag.tag for tag in first.tags] == ["War", "Food"]
    assert (first.n, first.time_s, first.film_title) == (1, 3.0, "Film 0")
    assert client.get_frame_image(first.film_id, first.n)


def test_judged_frames_leave_the_queue_and_come_back(client: Client, films: list[str]):
    said = client.add_verdict(films[0], "war", "rejected", frame=1)
    client.add_verdict(films[1], "war", "accepted", start_s=0.0, end_s=4.0)
    client.add_verdict(films[2], "war", "rejected")
    left = {(one.film_id, one.n) for one in queue(client)}
    assert left == {(films[0], n) for n in (0, 2, 3)} | {(films[1], n) for n in (2, 3)} | {
        (films[2], n) for n in range(4)
    }
    client.withdraw_verdict(films[0], said.id)
    assert (films[0], 1) in {(one.film_id, one.n) for one in queue(client)}


def test_frames_of_a_run_that_is_not_shown_are_not_asked_of(
    client: Client, library: SimpleNamespace, films: list[str]
):
    client.retag_film(films[0])
    film = library.services.films.get(films[0])
    store_shots(library.database, film, scored_shots([[0.5, 0.49, 0, 0, 0]]))
    assert len(queue(client)) == 4 * FILMS
    assert finish(library.database, film)
    found = queue(client)
    assert len(found) == 4 * (FILMS - 1) + 1
    assert (found[0].film_id, round(found[0].margin, 3)) == (films[0], 0.01)


def test_frames_from_before_there_were_margins_are_left_out(
    client: Client, library: SimpleNamespace, films: list[str]
):
    with library.database.session(write=True) as session:
        session.execute(update(FrameRow).where(FrameRow.film_id == films[1]).values(margin=None))
    assert {one.film_id for one in queue(client)} == {films[0], films[2]}


@pytest.mark.parametrize("cursor", ["x", "WzEsMiwzXQ", "WzAuNSwiYSIsLTFd", "WzllOSwiYSIsMV0"])
def test_cursor_of_another_list_is_refused(client: Client, cursor: str):
    with pytest.raises(InvalidRequest):
        client.list_review(cursor=cursor)


def test_queue_comes_from_its_index_without_sorting(tmp_path: Path):
    database = Database(f"sqlite:///{tmp_path / 'a.sqlite3'}")
    database.migrate()
    plans: list[str] = []

    def explain(connection, cursor, statement, parameters, *_) -> None:
        if statement.startswith("SELECT"):
            rows = cursor.execute(f"EXPLAIN QUERY PLAN {statement}", parameters).fetchall()
            plans.append("\n".join(str(row[3]) for row in rows))

    event.listen(database.engine, "before_cursor_execute", explain)
    Corrections(database, LocalStorage(tmp_path / "objects"), ModelService(database)).review()
    database.dispose()
    assert "ix_frames_margin_film_id_n" in plans[-1]
    assert "TEMP B-TREE" not in plans[-1]


def test_stored_features_come_as_a_numpy_file_with_their_base(client: Client, films: list[str]):
    found = client.get_film_features(films[1])
    assert found.base_id == "0123456789abcdef"
    np.testing.assert_array_equal(np.load(io.BytesIO(found.content)), FEATURES + 1)


def test_features_that_are_not_there_are_said_to_be_so(
    client: Client, library: SimpleNamespace, films: list[str]
):
    waiting = client.add_film(io.BytesIO(b"another")).film.id
    library.storage.delete_prefix(f"films/{films[0]}/features/")
    for film_id in (waiting, films[0]):
        with pytest.raises(FeaturesNotFound):
            client.get_film_features(film_id)
    with pytest.raises(FilmNotFound):
        client.get_film_features("0" * 32)


@pytest.fixture
def active(library: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the recorded model the one in use, as a worker's would be."""
    manifest = library.services.models.get("fake-1").manifest
    monkeypatch.setattr(library.services.models, "current", lambda: manifest)


@pytest.mark.usefixtures("active")
def test_verdicts_become_a_dataset_with_pictures_tags_and_features(
    client: Client, library: SimpleNamespace, films: list[str], tmp_path: Path
):
    client.add_verdict(films[0], "robot", "accepted", frame=2)
    client.add_verdict(films[0], "war", "rejected", start_s=2.0, end_s=6.0)
    client.add_verdict(films[1], "forest", "accepted")
    client.add_verdict(films[2], "war", "accepted", frame=0)
    library.storage.delete_prefix(f"films/{films[2]}/features/")
    said: list[str] = []
    out = tmp_path / "corrections"

    origin = build_dataset(client, out, say=said.append)

    assert (origin.base_id, origin.films, origin.frames) == ("0123456789abcdef", 2, 3)
    assert len(said) == 1
    assert "Film 2" in said[0]
    with (out / "manifest.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [(row["group"], row["n"], row["tags"], row["rejected_tags"]) for row in rows] == [
        (films[0], "1", "", "War"), (films[0], "2", "Robot", "War"), (films[1], "2", "Forest", ""),
    ]  # fmt: skip
    for row in rows:
        assert (out / row["file"]).read_bytes() == client.get_frame_image(
            row["group"], int(row["n"])
        )
    features = np.load(out / "features.npy")
    np.testing.assert_array_equal(features, [FEATURES[1], FEATURES[2], FEATURES[2] + 1])
    assert json.loads((out / "features.json").read_text())["model_version"] == "fake-1"

    known = read_known_frames(out, TAGS[:-2])
    assert known.other_tags == ("Robot",)
    assert known.all.holds_not[:, TAGS.index("War")].tolist() == [1, 1, 0]
    assert known.all.holds[:, TAGS.index("Forest")].tolist() == [0, 0, 1]
    assert len(known.of("train")) == 3
    pictures = read_collection(out, to_train=False).pictures
    assert [picture.tags for picture in pictures] == [("Robot",), ("Forest",)]


@pytest.mark.usefixtures("active")
def test_whole_films_stand_on_one_side_and_all_sides_are_filled(
    client: Client, films: list[str], tmp_path: Path
):
    for film_id in films:
        client.add_verdict(film_id, "war", "rejected")
    build_dataset(client, tmp_path / "out")
    with (tmp_path / "out" / "manifest.csv").open(encoding="utf-8", newline="") as stream:
        sides = {(row["group"], row["split"]) for row in csv.DictReader(stream)}
    assert sorted(split for _, split in sides) == ["test", "train", "validation"]


@pytest.mark.usefixtures("active", "films")
def test_library_without_verdicts_makes_no_dataset(client: Client, tmp_path: Path):
    with pytest.raises(BadDataError, match="has a verdict"):
        build_dataset(client, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("active")
def test_damaged_dataset_is_one_clear_line(client: Client, films: list[str], tmp_path: Path):
    client.add_verdict(films[0], "war", "rejected")
    build_dataset(client, tmp_path / "out")
    np.save(tmp_path / "out" / "features.npy", FEATURES[:1])
    with pytest.raises(BadDataError, match="not a row for each"):
        read_known_frames(tmp_path / "out", TAGS)
    with pytest.raises(BadDataError, match="no dataset with stored features"):
        read_known_frames(tmp_path, TAGS)
