"""The Python client against the service behind a real socket, a real database and real files."""

import io
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from xml.etree import ElementTree

import pytest
import uvicorn

from reeltag.client import Client, walk
from reeltag.errors import (
    AnalysisFailed,
    ConnectionFailed,
    FilmBusy,
    FilmNotFound,
    FrameNotFound,
    InvalidRequest,
    TagNotFound,
    UploadRefused,
    VerdictNotFound,
)
from tests.api_client import JPEG
from tests.integration.test_api_library import analyse, library

__all__ = ["library"]


@pytest.fixture
def address(library: SimpleNamespace) -> Iterator[str]:
    config = uvicorn.Config(
        library.client.app, port=0, log_level="warning", ws="none", lifespan="off"
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join(30)
    assert not thread.is_alive()


@pytest.fixture
def client(address: str) -> Iterator[Client]:
    with Client(address) as client:
        yield client


@pytest.fixture
def film_id(client: Client, library: SimpleNamespace) -> str:
    added = client.add_film(io.BytesIO(b"film"), title="A day")
    analyse(library, added.film.id)
    return added.film.id


def test_a_film_is_uploaded_with_progress_and_comes_back_byte_for_byte(
    client: Client, tmp_path: Path
):
    content = bytes(range(256)) * 10_000
    path = tmp_path / "sea.mp4"
    path.write_bytes(content)
    told: list[tuple[int, int]] = []
    added = client.add_film(path, sampling="keyframes", on_progress=lambda *now: told.append(now))
    assert added.created
    assert (added.film.title, added.film.filename, added.film.sampling) == (
        "sea", "sea.mp4", "keyframes",
    )  # fmt: skip
    assert told[-1] == (len(content), len(content))
    assert [sent for sent, _ in told] == sorted({sent for sent, _ in told})
    again = client.add_film(str(path))
    assert (again.created, again.film.id) == (False, added.film.id)
    back = tmp_path / "back.mp4"
    assert client.get_film_source(added.film.id, back) == len(content)
    assert back.read_bytes() == content


def test_a_film_is_waited_for(client: Client, library: SimpleNamespace):
    film_id = client.add_film(io.BytesIO(b"slow")).film.id
    states: list[str] = []

    def look(film: Any) -> None:
        states.append(film.status)
        if len(states) == 2:
            analyse(library, film_id)

    assert client.wait(film_id, every_s=0.01, on_progress=look).status == "done"
    assert states == ["queued", "queued", "done"]
    assert [one.status for one in client.watch_film(film_id)] == ["done"]


def test_waiting_ends_when_a_film_fails_or_takes_too_long(client: Client):
    film_id = client.add_film(io.BytesIO(b"never")).film.id
    with pytest.raises(TimeoutError):
        client.wait(film_id, timeout_s=0.05, every_s=0.01)
    assert client.cancel_film(film_id).status == "cancelled"
    with pytest.raises(AnalysisFailed) as caught:
        client.wait(film_id)
    assert caught.value.code == "cancelled"


def test_events_follow_a_film_to_its_end(
    client: Client,
    library: SimpleNamespace,
):
    film_id = client.add_film(io.BytesIO(b"film")).film.id
    seen = []
    for progress in client.watch_film(film_id):
        seen.append(progress.status)
        if len(seen) == 1:
            analyse(library, film_id)
    assert seen == ["queued", "done"]


def test_findings_are_typed(client: Client, film_id: str):
    tags = client.list_film_tags(film_id, limit=1).items
    assert [(tag.tag, tag.source) for tag in tags] == [("War", "model")]
    (segment,) = client.list_segments(film_id, tag=["war"], top_k=1, max_gap_s=2).items
    assert (segment.start_s, segment.end_s) == (0.0, 8.0)
    frames = list(walk(client.list_frames, film_id, limit=2))
    assert [frame.n for frame in frames] == [0, 1, 2, 3]
    assert frames[0].shot.end_s == 2.0
    assert client.get_frame_image(film_id, 0) == JPEG
    assert {one.film_id for one in walk(client.find_segments, "war", limit=1)} == {film_id}
    root = ElementTree.fromstring(client.export_film(film_id, "nfo").encode())
    assert root.findtext("title") == "A day"
    assert client.export_film(film_id, "csv", top_k=1).startswith("tag,")


def test_films_are_found_and_walked_through(client: Client, library: SimpleNamespace):
    ids = [client.add_film(io.BytesIO(b"film %d" % n)).film.id for n in range(5)]
    for film_id in ids[:3]:
        analyse(library, film_id)
    found = list(walk(client.list_films, tag=["war"], not_tag=["robot"], limit=2))
    assert {film.id for film in found} == set(ids[:3])
    counts = {tag.slug: tag.film_count for tag in client.list_tags(status="done").items}
    assert (counts["war"], counts["robot"], len(counts)) == (3, 0, 50)
    similar = client.list_similar_films(ids[0]).items
    assert {one.film.id for one in similar} == set(ids[1:3])
    assert similar[0].similarity == pytest.approx(1)
    (entry, *_) = client.get_timeline(interval="year", tag=["war"]).items
    assert (entry.film_count, entry.coverage_s) == (3, 18.0)
    assert [model.version for model in client.list_models().items] == ["fake-1"]


def test_verdicts_are_said_listed_and_taken_back(client: Client, film_id: str):
    assert client.judge_film_tag(film_id, "robot", "accepted")[0].tag == "Robot"
    client.add_verdict(film_id, "war", "rejected", start_s=1, end_s=3)
    on_frame = client.add_verdict(film_id, "food", "accepted", frame=2)
    assert on_frame.time_s == 5.0
    assert [one.scope for one in walk(client.list_verdicts, film_id, limit=1)] == [
        "film", "segment", "frame",
    ]  # fmt: skip
    client.withdraw_verdict(film_id, on_frame.id)
    assert len(client.list_verdicts(film_id).items) == 2
    assert client.clear_model_tags(film_id).model_version is None
    assert [tag.tag for tag in client.list_film_tags(film_id).items] == ["Robot"]
    assert client.retag_film(film_id, sampling="keyframes").status == "queued"


def test_refusals_are_classes(client: Client, film_id: str):
    with pytest.raises(UploadRefused):
        client.add_film(io.BytesIO(b""))
    with pytest.raises(InvalidRequest) as caught:
        client.list_films(limit=1000)
    assert caught.value.errors[0]["where"] == "query.limit"
    with pytest.raises(TagNotFound):
        client.list_films(tag=["wra"])
    with pytest.raises(FrameNotFound):
        client.get_frame_image(film_id, 99)
    with pytest.raises(VerdictNotFound):
        client.withdraw_verdict(film_id, "nothing")
    client.retag_film(film_id)
    with pytest.raises(FilmBusy):
        client.retag_film(film_id)
    client.delete_film(film_id)
    with pytest.raises(FilmNotFound):
        client.get_film(film_id)


def test_a_server_that_is_not_there_is_told():
    with Client("http://127.0.0.1:9", timeout_s=2) as client, pytest.raises(ConnectionFailed):
        client.list_models()
