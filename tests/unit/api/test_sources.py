import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

import pytest

from app.api.sources import Part, media_type_of, wanted_part
from app.errors import RangeNotSatisfiable
from tests.api_client import AppClient, make_film

CONTENT = bytes(range(256)) * 4000
"""More than one piece, and each place of it can be told from its neighbours."""


class OneObject:
    """A storage that holds the film's bytes and remembers what was read of them."""

    def __init__(self, key: str, content: bytes) -> None:
        self.key, self.content = key, content
        self.opened: list[tuple[int, int | None]] = []

    def size(self, key: str) -> int | None:
        return len(self.content) if key == self.key else None

    @contextmanager
    def open(self, key: str, start: int = 0, length: int | None = None) -> Iterator[BinaryIO]:
        assert key == self.key
        self.opened.append((start, length))
        yield io.BytesIO(self.content[start:][:length])


@pytest.fixture
def film(services: Any) -> Any:
    film = make_film(container="mov", codec="h264", filename="día 1.mp4")
    services.films.films[film.id] = film
    services.storage = OneObject(film.source_key, CONTENT)
    return film


def test_a_film_without_a_range_comes_whole(client: AppClient, film: Any):
    answer = client.get(f"/v1/films/{film.id}/source")
    assert (answer.status_code, answer.content) == (200, CONTENT)
    assert answer.headers["accept-ranges"] == "bytes"
    assert answer.headers["content-type"] == "video/mp4"
    assert answer.headers["content-length"] == str(len(CONTENT))
    assert answer.headers["content-disposition"] == "inline; filename*=UTF-8''d%C3%ADa%201.mp4"


@pytest.mark.parametrize(
    ("header", "start", "end"),
    [
        ("bytes=0-99", 0, 100),
        ("bytes=1000-", 1000, len(CONTENT)),
        ("bytes=-300", len(CONTENT) - 300, len(CONTENT)),
        (f"bytes=5-{10 * len(CONTENT)}", 5, len(CONTENT)),
        (f"bytes=-{10 * len(CONTENT)}", 0, len(CONTENT)),
        ("Bytes = 7 - 7", 7, 8),
    ],
)
def test_a_range_gives_that_part_and_reads_nothing_else(
    client: AppClient, services: Any, film: Any, header: str, start: int, end: int
):
    answer = client.get(f"/v1/films/{film.id}/source", headers={"Range": header})
    assert (answer.status_code, answer.content) == (206, CONTENT[start:end])
    assert answer.headers["content-range"] == f"bytes {start}-{end - 1}/{len(CONTENT)}"
    assert services.storage.opened == [(start, end - start)]


@pytest.mark.parametrize("header", [f"bytes={len(CONTENT)}-", "bytes=-0", "bytes=99999999-"])
def test_a_range_behind_the_end_is_refused_with_the_length(
    client: AppClient, film: Any, header: str
):
    answer = client.get(f"/v1/films/{film.id}/source", headers={"Range": header})
    assert (answer.status_code, answer.json()["code"]) == (416, "range_not_satisfiable")
    assert answer.headers["content-range"] == f"bytes */{len(CONTENT)}"


@pytest.mark.parametrize(
    "header",
    [
        "bytes=-",
        "bytes=9-3",
        "bytes=0-1,4-5",
        "seconds=1-2",
        "bytes=a-b",
        "bytes=٣-٤",
        "bytes=0-" + "9" * 5000,
        "",
    ],
)
def test_a_range_that_is_none_is_ignored(header: str):
    assert wanted_part(header, 100) is None


def test_an_empty_file_has_no_part():
    with pytest.raises(RangeNotSatisfiable):
        wanted_part("bytes=0-", 0)
    assert wanted_part("bytes=0-0", 1) == Part(0, 1)


def test_who_has_the_film_already_is_told_so(client: AppClient, film: Any):
    etag = client.get(f"/v1/films/{film.id}/source").headers["etag"]
    again = client.get(f"/v1/films/{film.id}/source", headers={"If-None-Match": etag})
    assert (again.status_code, again.content) == (304, b"")


def test_a_part_of_another_file_is_not_continued(client: AppClient, film: Any):
    headers = {"Range": "bytes=10-19", "If-Range": '"of another file"'}
    assert client.get(f"/v1/films/{film.id}/source", headers=headers).status_code == 200
    headers["If-Range"] = f'"{film.sha256}"'
    assert client.get(f"/v1/films/{film.id}/source", headers=headers).status_code == 206


def test_the_head_of_a_film_has_no_body(client: AppClient, services: Any, film: Any):
    answer = client.request("HEAD", f"/v1/films/{film.id}/source")
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-length"] == str(len(CONTENT))
    assert services.storage.opened == []


def test_a_film_whose_file_is_gone_is_not_found(client: AppClient, services: Any, film: Any):
    services.storage.key = "elsewhere"
    answer = client.get(f"/v1/films/{film.id}/source")
    assert (answer.status_code, answer.json()["code"]) == (404, "film_not_found")


@pytest.mark.parametrize(
    ("container", "codec", "expected"),
    [
        ("mov", "h264", "video/mp4"), ("matroska", "vp9", "video/webm"),
        ("matroska", "hevc", "video/x-matroska"), (None, None, "application/octet-stream"),
        ("text/html", "h264", "application/octet-stream"),
    ],
)  # fmt: skip
def test_the_type_follows_the_container_and_is_nothing_a_browser_runs(
    container: str | None, codec: str | None, expected: str
):
    assert media_type_of(make_film(container=container, codec=codec)) == expected


def test_a_browser_may_run_nothing_of_the_bytes(client: AppClient, film: Any):
    headers = client.get(f"/v1/films/{film.id}/source").headers
    assert "sandbox" in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
