"""kill -9 at the worst moments: real processes, a real network, real films, real databases."""

import os
import random
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest

from app.domain.films import FilmStatus
from app.domain.shots import ScoredShot
from tests.media import DrawnShot, Encoding, cut_shots, draw_film
from tests.processes import WORKER, Library, library, wait_until

pytestmark = pytest.mark.slow

CHUNKS = 6

DEADLY_WORKER = (sys.executable, "-m", "tests.acceptance.deadly_worker")


@pytest.fixture(scope="module")
def film_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Thirty seconds; its cuts do not fall on the seams of chunks of five seconds."""
    path = tmp_path_factory.mktemp("films") / "film.mp4"
    draw_film(path, cut_shots(15, seconds=2.0), Encoding(size=(320, 180)))
    return path


@pytest.fixture(scope="module")
def undisturbed(film_path: Path, tmp_path_factory: pytest.TempPathFactory) -> list[ScoredShot]:
    """What a worker that nobody kills finds in the film."""
    with library(tmp_path_factory.mktemp("undisturbed")) as quiet:
        film = quiet.add(film_path)
        quiet.start()
        assert quiet.wait_for_end(film.id).status is FilmStatus.DONE, quiet.log()
        assert quiet.row_counts(film.id)[0] == CHUNKS
        return quiet.shots(film.id)


@pytest.fixture
def house(tmp_path: Path, database_url: str) -> Iterator[Library]:
    with library(tmp_path, database_url) as opened:
        yield opened


@pytest.fixture
def embedded(tmp_path: Path) -> Iterator[Library]:
    with library(tmp_path) as opened:
        yield opened


def assert_same(found: list[ScoredShot], wanted: list[ScoredShot]) -> None:
    assert [scored.shot for scored in found] == [scored.shot for scored in wanted]
    for one, other in zip(found, wanted, strict=True):
        assert [f.time_s for f in one.frames] == [f.time_s for f in other.frames]
        np.testing.assert_allclose(one.scores, other.scores, atol=0.02)


def assert_whole(house: Library, film_id: str, undisturbed: list[ScoredShot]) -> None:
    """The film is done as if nothing had happened, and every row is there once."""
    film = house.film(film_id)
    assert film.status is FilmStatus.DONE, house.log()
    assert (film.run, film.shown_run, film.progress) == (1, 1, 1.0)
    assert house.job_count(film_id) == 1
    assert_same(house.shots(film_id), undisturbed)
    frame_count = sum(len(shot.frames) for shot in undisturbed)
    assert house.row_counts(film_id) == (CHUNKS, len(undisturbed), frame_count)
    page = house.services.films.frames(film_id, limit=500)
    assert [view.n for view in page.items] == list(range(frame_count))
    prefix = f"films/{film_id}/"
    wait_until(  # the worker tidies up after the film is done
        lambda: (
            {key for key in objects(house, prefix) if "frames/" not in key}
            == {"source", f"features/{film.run}/{film.base_id}.npy"}
        ),
        "only what readers need is left",
    )
    assert sum("frames/" in key for key in objects(house, prefix)) == frame_count


def objects(house: Library, prefix: str) -> set[str]:
    return {key.removeprefix(prefix) for key, _ in house.services.storage.keys(prefix)}


def wait_for_chunks(house: Library, film_id: str, count: int) -> None:
    wait_until(
        lambda: len(house.chunks(film_id)) >= count, f"{count} chunks are stored\n{house.log()}"
    )


def test_killed_worker_costs_its_open_chunk_and_nothing_else(
    house: Library, film_path: Path, undisturbed: list[ScoredShot]
) -> None:
    film = house.add(film_path)
    rng = random.Random(5)
    stored: dict[int, tuple[str, object]] = {}
    for count in (1, 2, 4):
        worker = house.start()
        wait_for_chunks(house, film.id, count)
        time.sleep(rng.uniform(0, 0.3))
        house.kill(worker)
        now = house.chunks(film.id)
        assert stored.items() <= now.items()
        stored = now

    house.start()
    house.wait_for_end(film.id)

    assert stored.items() <= house.chunks(film.id).items()
    lost = house.lost_attempts(film.id)
    assert len(lost) <= 3
    assert_whole(house, film.id, undisturbed)


def test_killed_at_any_moment_of_a_run_all_films_finish(
    embedded: Library, film_path: Path, undisturbed: list[ScoredShot], tmp_path: Path
) -> None:
    other_path = tmp_path / "other.mp4"
    draw_film(other_path, cut_shots(6, seconds=2.5, look="pan"), Encoding(size=(320, 180)))
    film, other = embedded.add(film_path), embedded.add(other_path)
    rng = random.Random(11)
    for _ in range(4):
        worker = embedded.start()
        ready = embedded.log().count("worker ready") + 1
        wait_until(lambda: embedded.log().count("worker ready") >= ready, "a worker")  # noqa: B023
        time.sleep(rng.uniform(0, 4))
        embedded.kill(worker)

    embedded.start()
    embedded.wait_for_end(film.id)

    assert embedded.wait_for_end(other.id).status is FilmStatus.DONE
    assert embedded.job_count(other.id) == 1
    assert_whole(embedded, film.id, undisturbed)


def test_killed_service_goes_on_with_the_film_when_it_is_started_again(
    embedded: Library, film_path: Path, undisturbed: list[ScoredShot]
) -> None:
    service, address = embedded.serve()
    answer = httpx.post(
        f"{address}/v1/films",
        params={"filename": "film.mp4"},
        content=film_path.read_bytes(),
        headers={"content-type": "video/mp4"},
    )
    assert answer.status_code == 202, answer.text
    film_id = answer.json()["id"]
    wait_for_chunks(embedded, film_id, 2)
    before = embedded.chunks(film_id)
    pids = embedded.worker_pids()
    assert len(pids) == 1

    embedded.kill(service)
    wait_until(lambda: not embedded.worker_pids(), "the worker ends with the service")

    _, address = embedded.serve()
    embedded.wait_for_end(film_id)
    assert httpx.get(f"{address}/v1/films/{film_id}").json()["status"] == "done"
    assert before.items() <= embedded.chunks(film_id).items()
    assert_whole(embedded, film_id, undisturbed)


def test_service_starts_a_killed_worker_again_and_answers_meanwhile(
    embedded: Library, film_path: Path, undisturbed: list[ScoredShot]
) -> None:
    service, address = embedded.serve()
    film = embedded.add(film_path)
    wait_for_chunks(embedded, film.id, 1)
    (pid,) = embedded.worker_pids()

    os.kill(pid, signal.SIGKILL)

    answer = httpx.get(f"{address}/v1/films/{film.id}")
    assert answer.json()["status"] == "running"
    embedded.wait_for_end(film.id)
    assert pid not in embedded.worker_pids()
    assert_whole(embedded, film.id, undisturbed)
    service.send_signal(signal.SIGTERM)
    assert service.wait(60) == 0
    assert embedded.worker_pids() == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["term", "interrupt"])
def test_stopped_service_ends_its_chunk_and_loses_nothing(
    embedded: Library, film_path: Path, undisturbed: list[ScoredShot], number: signal.Signals
) -> None:
    service, _ = embedded.serve()
    film = embedded.add(film_path)
    wait_for_chunks(embedded, film.id, 1)

    service.send_signal(number)
    assert service.wait(60) == 0
    assert embedded.worker_pids() == []
    stored = embedded.chunks(film.id)

    embedded.start(WORKER)
    embedded.wait_for_end(film.id)
    assert stored.items() <= embedded.chunks(film.id).items()
    assert embedded.lost_attempts(film.id) == []
    assert_whole(embedded, film.id, undisturbed)


def test_film_that_kills_its_workers_is_given_up_and_its_neighbours_finish(
    embedded: Library, film_path: Path, undisturbed: list[ScoredShot], tmp_path: Path
) -> None:
    deadly_path = tmp_path / "deadly.mp4"
    draw_film(deadly_path, [DrawnShot(3.0, "black")], Encoding(size=(160, 90)))
    deadly, neighbour = embedded.add(deadly_path), embedded.add(film_path)

    deaths = 0
    while not all(embedded.film(film.id).status.is_final for film in (deadly, neighbour)):
        worker = embedded.start(DEADLY_WORKER)
        wait_until(
            lambda: (
                worker.poll() is not None  # noqa: B023
                or all(embedded.film(film.id).status.is_final for film in (deadly, neighbour))
            ),
            "the worker dies or all films end",
        )
        deaths += worker.poll() is not None
        assert deaths < 12, embedded.log()

    failed = embedded.film(deadly.id)
    assert (failed.status, failed.error_code) == (FilmStatus.FAILED, "decoder_crashed")
    assert deaths == 5
    assert_whole(embedded, neighbour.id, undisturbed)
