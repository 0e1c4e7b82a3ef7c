"""A new model for a library while its worker runs: real processes, a small real network."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest

from app.domain.films import FilmStatus
from app.domain.library import Film, Verdict
from app.domain.shots import ScoredShot
from models.artifact import Artifact
from tests.artifacts import write_artifact
from tests.fakes import FEATURE_SIZE, TAGS, make_manifest
from tests.media import Encoding, cut_shots, draw_film
from tests.processes import Library, library, wait_until

pytestmark = pytest.mark.slow

FILMS = 20


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("films") / "film.mp4"
    draw_film(path, cut_shots(6, seconds=2.0), Encoding(size=(320, 180)))
    return path.read_bytes()


@pytest.fixture
def made(tmp_path: Path) -> list[Artifact]:
    """Two models of one base: the second has another head and one tag less."""
    head = np.random.default_rng(23).normal(size=(FEATURE_SIZE, len(TAGS) - 1))
    return [
        write_artifact(tmp_path / "made-1", make_manifest(version="made-1")),
        write_artifact(
            tmp_path / "made-2", make_manifest(version="made-2", tags=TAGS[:-1]), head=head
        ),
    ]


@pytest.fixture
def house(tmp_path: Path, database_url: str, made: list[Artifact]) -> Iterator[Library]:
    with library(tmp_path / "library", database_url, model_path=made[0].path) as opened:
        yield opened


def add(house: Library, content: bytes, number: int) -> Film:
    """Take a film that differs from the others in a box that players skip."""
    path = house.folder / "upload.mp4"
    path.write_bytes(content + (16).to_bytes(4) + b"free" + number.to_bytes(8))
    return house.add(path)


def done_with(house: Library, films: list[Film], model: str) -> int:
    found = [house.film(film.id) for film in films]
    return sum(f.status is FilmStatus.DONE and f.model_version == model for f in found)


def only_noise(house: Library, films: list[Film]) -> None:
    """Make every film undecodable: a run that opened one would fail."""
    for film in films:
        house.services.storage.put_bytes(film.source_key, b"this is no film any more")


def test_library_is_tagged_anew_from_features_by_workers_that_are_killed(
    house: Library, made: list[Artifact], content: bytes
) -> None:
    films = [add(house, content, number) for number in range(FILMS)]
    worker = house.start()
    wait_until(lambda: done_with(house, films, "made-1") == FILMS, "the first model is through")
    before = {film.id: house.shots(film.id) for film in films}
    judged = films[7].id
    house.services.films.set_verdict(judged, "War", Verdict.REJECTED)
    house.services.films.set_verdict(judged, "Food", Verdict.ACCEPTED)

    house.services.publisher.add(made[1].path)
    house.services.publisher.activate("made-2")
    later = add(house, content, FILMS)
    assert house.wait_for_end(later.id).model_version == "made-2", "the running worker changed"
    assert worker.poll() is None

    only_noise(house, films)
    report = house.services.retagging.retag()
    assert (report.queued, report.from_features) == (FILMS, FILMS)
    wait_until(lambda: done_with(house, films, "made-2") >= 2, "some films are through")
    house.kill(worker)
    half_way = done_with(house, films, "made-2")
    house.start()
    wait_until(
        lambda: done_with(house, films, "made-2") == FILMS, f"all are through\n{house.log()}"
    )

    assert half_way < FILMS, "the worker was killed in the middle"
    for film in films:
        assert_tagged_anew_once(house, film.id, before[film.id])
    assert house.services.retagging.retag().queued == 0
    assert house.services.films.verdicts(judged) == {
        "War": Verdict.REJECTED, "Food": Verdict.ACCEPTED
    }  # fmt: skip
    tags = {tag.tag: tag.source for tag in house.services.films.tags(judged)}
    assert "War" not in tags
    assert tags["Food"] == "human"


def assert_tagged_anew_once(house: Library, film_id: str, before: list[ScoredShot]) -> None:
    film = house.film(film_id)
    assert (film.run, film.shown_run, film.progress, film.error_code) == (2, 2, 1.0, None)
    assert house.job_count(film_id) == 2
    after = house.shots(film_id)
    assert [one.shot for one in after] == [one.shot for one in before]
    assert {len(one.scores) for one in after} == {len(TAGS) - 1}
    frame_count = sum(len(one.frames) for one in before)
    assert house.row_counts(film_id) == (1, len(before), frame_count)
    page = house.services.films.frames(film_id, limit=500)
    assert [view.n for view in page.items] == list(range(frame_count))
    for view in page.items:
        assert house.services.films.frame_image(film_id, view.n).startswith(b"\xff\xd8")
    wait_until(  # the worker tidies up after the film is done
        lambda: (
            {key for key in objects(house, film_id) if "frames/" not in key}
            == {"source", f"features/2/{film.base_id}.npy"}
        ),
        "only what readers need is left",
    )
    assert sum("frames/1/" in key for key in objects(house, film_id)) == frame_count


def objects(house: Library, film_id: str) -> set[str]:
    prefix = f"films/{film_id}/"
    return {key.removeprefix(prefix) for key, _ in house.services.storage.keys(prefix)}


def test_scores_from_features_are_those_that_decoding_gives(
    house: Library, made: list[Artifact], content: bytes
) -> None:
    film = add(house, content, 0)
    house.start()
    house.wait_for_end(film.id)
    house.services.publisher.add(made[1].path)
    house.services.publisher.activate("made-2")
    house.services.films.retag(film.id)
    assert house.wait_for_end(film.id).model_version == "made-2"
    from_features = house.shots(film.id)

    house.services.films.retag(film.id)
    assert house.wait_for_end(film.id).shown_run == 3

    for one, other in zip(from_features, house.shots(film.id), strict=True):
        assert one.shot == other.shot
        np.testing.assert_allclose(one.scores, other.scores, atol=0.02)


def test_film_in_work_when_a_model_is_activated_ends_with_the_new_one(
    house: Library, made: list[Artifact], content: bytes, tmp_path: Path
) -> None:
    path = tmp_path / "long.mp4"
    draw_film(path, cut_shots(40, seconds=2.0), Encoding(size=(640, 360)))
    house.services.publisher.add(made[1].path)
    film = house.add(path)
    house.start()
    wait_until(lambda: house.chunks(film.id), "the first chunk is stored")
    house.services.publisher.activate("made-2")

    ended = wait_until(
        lambda: (found := house.film(film.id)).status is FilmStatus.DONE and found,
        f"the film is done\n{house.log()}",
    )
    assert ended.model_version == "made-2"
    assert {len(one.scores) for one in house.shots(film.id)} == {len(TAGS) - 1}


def test_whole_way_over_http(house: Library, made: list[Artifact], content: bytes) -> None:
    film = add(house, content, 0)
    house.services.publisher.add(made[1].path)
    _, address = house.serve()
    house.wait_for_end(film.id)
    with httpx.Client(base_url=address, timeout=60) as client:
        assert client.post("/v1/models/made-2/activate").json()["active"] is True
        report = client.post("/v1/films/retag", json={"stale": True}).json()
        assert report == {
            "model_version": "made-2", "queued": 1, "from_features": 1, "next_cursor": None
        }  # fmt: skip
        wait_until(
            lambda: client.get(f"/v1/films/{film.id}").json()["model_version"] == "made-2",
            "the film is tagged anew",
        )
        assert client.get(f"/v1/films/{film.id}/frames/0/image").status_code == 200
