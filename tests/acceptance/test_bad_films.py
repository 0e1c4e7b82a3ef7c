"""No film, or a broken one: it is refused clearly, the worker lives, the next film succeeds."""

from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from tests import broken_media
from tests.media import DrawnShot, Encoding, draw_film
from tests.processes import Library, library, wait_until

pytestmark = pytest.mark.slow

REFUSED = {
    "text": (broken_media.text, {"not_a_video"}),
    "noise": (broken_media.noise, {"not_a_video"}),
    "archive": (broken_media.archive, {"not_a_video"}),
    "audio only": (broken_media.audio_only, {"no_video_track"}),
    "sound with a picture": (broken_media.cover_art, {"no_video_track"}),
    "still picture": (broken_media.still_picture, {"not_a_video", "no_video_track"}),
    "cut off before its index": (broken_media.truncated_index_last, {"no_frames"}),
    "noise behind an index": (broken_media.corrupt_all, {"no_frames", "too_many_corrupt_frames"}),
    "huge picture": (broken_media.huge_picture, {"picture_too_large"}),
}


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Library]:
    with library(tmp_path_factory.mktemp("library")) as opened:
        yield opened


@pytest.fixture(scope="module")
def client(house: Library) -> Iterator[httpx.Client]:
    process, address = house.serve()
    wait_until(house.worker_pids, "the worker gives a sign of life")
    with httpx.Client(base_url=address, timeout=60) as opened:
        yield opened
    process.terminate()
    assert process.wait(timeout=60) == 0, house.log()


def send(client: httpx.Client, path: Path) -> httpx.Response:
    return client.post(
        "/v1/films",
        params={"filename": path.name},
        content=path.read_bytes(),
        headers={"Content-Type": "video/mp4"},
    )


def analysed(client: httpx.Client, house: Library, path: Path) -> dict:
    answer = send(client, path)
    assert answer.status_code == 202, answer.text
    house.wait_for_end(answer.json()["id"])
    film: dict = client.get(f"/v1/films/{answer.json()['id']}").json()
    return film


def draw_good(path: Path, seed: int) -> Path:
    draw_film(path, [DrawnShot(1.0, "shapes", seed)], Encoding(size=(160, 90)))
    return path


def test_an_empty_file_is_refused_at_the_door(client, tmp_path):
    broken_media.empty(tmp_path / "film.mp4")
    answer = send(client, tmp_path / "film.mp4")
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == "empty_upload"
    assert answer.json()["detail"]


@pytest.mark.parametrize(("make", "codes"), REFUSED.values(), ids=REFUSED)
def test_a_bad_film_fails_with_a_stable_code_and_the_worker_lives(
    client, house, tmp_path, make: Callable[[Path], None], codes: set[str]
):
    workers = house.worker_pids()
    make(tmp_path / "film.mp4")
    film = analysed(client, house, tmp_path / "film.mp4")
    assert film["status"] == "failed"
    assert film["error"]["code"] in codes
    assert len(film["error"]["detail"]) > 10
    assert client.get(f"/v1/films/{film['id']}/tags").json()["items"] == []
    assert house.worker_pids() == workers


def test_a_film_cut_off_behind_its_index_is_analysed_as_far_as_it_goes(client, house, tmp_path):
    broken_media.truncated_index_first(tmp_path / "film.mp4")
    film = analysed(client, house, tmp_path / "film.mp4")
    assert film["status"] == "done"
    assert film["warnings"]
    assert client.get(f"/v1/films/{film['id']}/frames").json()["items"]


def test_a_film_of_one_frame_is_one_shot(client, house, tmp_path):
    broken_media.one_frame(tmp_path / "film.mp4")
    film = analysed(client, house, tmp_path / "film.mp4")
    assert film["status"] == "done"
    frames = client.get(f"/v1/films/{film['id']}/frames").json()["items"]
    assert [frame["time_s"] for frame in frames] == [0]


def test_the_next_film_succeeds_after_all_of_them(client, house, tmp_path):
    film = analysed(client, house, draw_good(tmp_path / "film.mp4", seed=99))
    assert (film["status"], film["error"]) == ("done", None)
