import asyncio
import base64
import hashlib
from collections.abc import AsyncIterator
from email.utils import parsedate_to_datetime
from typing import Any

import httpx
import pytest

from app.api import uploads_tus
from app.main import create_app
from tests.api_client import AppClient, fake_services, pieces

FILM = bytes(range(256)) * 8

TUS = {"Tus-Resumable": "1.0.0"}
PART = TUS | {"Content-Type": "application/offset+octet-stream"}


def encoded(**words: str) -> str:
    return ",".join(
        f"{name} {base64.b64encode(word.encode()).decode()}" for name, word in words.items()
    )


def create(client: AppClient, length: int = len(FILM), **words: str) -> str:
    headers = TUS | {"Upload-Length": str(length), "Upload-Metadata": encoded(**words)}
    answer = client.post("/v1/uploads", headers=headers)
    assert answer.status_code == 201
    return answer.headers["location"]


def patch(
    client: AppClient, place: str, offset: int | str, content: Any, **headers: str
) -> httpx.Response:
    given = PART | {"Upload-Offset": str(offset)} | headers
    return client.request("PATCH", place, headers=given, content=content)


def head(client: AppClient, place: str) -> httpx.Response:
    return client.request("HEAD", place, headers=TUS)


def test_what_is_possible_is_told_without_a_version(client: AppClient):
    answer = client.request("OPTIONS", "/v1/uploads")
    assert answer.status_code == 204
    assert answer.headers["tus-version"] == answer.headers["tus-resumable"] == "1.0.0"
    assert answer.headers["tus-extension"] == (
        "creation,creation-with-upload,expiration,checksum,termination"
    )
    assert answer.headers["tus-max-size"] == str(64 * 2**30)
    assert answer.headers["tus-checksum-algorithm"] == "sha1,sha256"


def test_the_last_part_makes_the_film(client: AppClient, services: Any):
    place = create(client, title="Müde", filename="sea.mp4", sampling="keyframes", filetype="x")
    first = patch(client, place, 0, FILM[:100])
    assert (first.status_code, first.headers["upload-offset"]) == (204, "100")
    assert parsedate_to_datetime(first.headers["upload-expires"]).tzinfo is not None
    assert "reeltag-film" not in first.headers
    last = patch(client, place, 100, FILM[100:])
    (film_id,) = services.films.films
    assert last.status_code == 204
    assert last.headers["reeltag-film"] == film_id
    assert last.headers["reeltag-film-created"] == "true"
    assert last.headers["content-location"] == f"/v1/films/{film_id}"
    assert services.films.asked == [("add", "Müde", "sea.mp4", "keyframes", FILM)]
    later = head(client, place)
    assert later.headers["reeltag-film"] == film_id
    assert later.headers["upload-offset"] == later.headers["upload-length"] == str(len(FILM))
    assert patch(client, place, len(FILM), b"").headers["reeltag-film"] == film_id


def test_the_same_bytes_again_are_the_same_film(client: AppClient, services: Any):
    for created in ("true", "false"):
        place = create(client)
        answer = patch(client, place, 0, FILM)
        assert answer.headers["reeltag-film-created"] == created
    assert len(services.films.films) == 1


def test_where_an_upload_stands_is_told_with_what_came_along(client: AppClient):
    place = create(client, filename="sea.mp4")
    patch(client, place, 0, FILM[:7])
    answer = head(client, place)
    assert answer.status_code == 200
    assert answer.headers["upload-offset"] == "7"
    assert answer.headers["upload-length"] == str(len(FILM))
    assert answer.headers["upload-metadata"] == encoded(filename="sea.mp4")
    assert answer.headers["cache-control"] == "no-store"


def test_the_announcement_may_bring_the_first_bytes(client: AppClient, services: Any):
    headers = PART | {"Upload-Length": str(len(FILM))}
    some = client.post("/v1/uploads", headers=headers, content=FILM[:50])
    assert (some.status_code, some.headers["upload-offset"]) == (201, "50")
    whole = client.post("/v1/uploads", headers=headers, content=FILM)
    assert whole.status_code == 201
    assert whole.headers["reeltag-film"] in services.films.films


def test_a_broken_request_keeps_what_arrived(client: AppClient, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(uploads_tus, "STALL_S", 0.05)

    async def stalls() -> AsyncIterator[bytes]:
        yield FILM[:300]
        await asyncio.sleep(1)
        yield FILM[300:]

    place = create(client)
    answer = patch(client, place, 0, stalls())
    assert (answer.status_code, answer.headers["upload-offset"]) == (204, "300")
    assert head(client, place).headers["upload-offset"] == "300"


def test_a_film_whose_taker_was_killed_is_taken_when_somebody_asks(
    client: AppClient, services: Any
):
    place = create(client)
    uploads = uploads_tus.uploads_of(services)
    with uploads.open(place.rpartition("/")[2]) as appending:
        appending.begin(0)
        appending.write(FILM)
    assert services.films.films == {}
    assert head(client, place).headers["reeltag-film"] in services.films.films


@pytest.mark.parametrize(
    ("offset", "headers", "content", "status", "code"),
    [
        pytest.param("1", {}, b"x", 409, "upload_offset_mismatch", id="offset"),
        pytest.param("-1", {}, b"x", 400, "invalid_request", id="negative"),
        pytest.param("", {}, b"x", 400, "invalid_request", id="no number"),
        pytest.param("0", {"Content-Type": "video/mp4"}, b"x", 415, "unsupported_media_type",
                     id="type"),
        pytest.param("0", {}, FILM + b"x", 413, "upload_too_large", id="too long"),
        pytest.param("0", {"Tus-Resumable": "0.2.2"}, b"x", 412, "unsupported_protocol",
                     id="version"),
        pytest.param("0", {"Upload-Checksum": "md5 AAAA"}, b"x", 400, "invalid_request",
                     id="kind of hash"),
        pytest.param("0", {"Upload-Checksum": "sha1 !"}, b"x", 400, "invalid_request",
                     id="broken hash"),
        pytest.param("0", {"Upload-Checksum": "sha1 AAAA"}, b"x", 460, "checksum_mismatch",
                     id="other hash"),
    ],
)  # fmt: skip
def test_a_part_that_cannot_be_taken_changes_nothing(
    client: AppClient, offset: str, headers: dict[str, str], content: bytes, status: int, code: str
):
    place = create(client)
    answer = patch(client, place, offset, content, **headers)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["tus-resumable"] == answer.headers["tus-version"] == "1.0.0"
    assert head(client, place).headers["upload-offset"] == "0"


def test_a_body_of_unknown_length_is_refused_where_it_becomes_too_long(client: AppClient):
    place = create(client)
    assert patch(client, place, 0, pieces([FILM, b"x"])).status_code == 413


def test_a_part_with_its_hash_is_taken(client: AppClient):
    place = create(client)
    for offset, name in ((0, "sha1"), (1024, "sha256")):
        part = FILM[offset : offset + 1024]
        digest = base64.b64encode(hashlib.new(name, part).digest()).decode()
        answer = patch(client, place, offset, part, **{"Upload-Checksum": f"{name} {digest}"})
        assert answer.status_code == 204
    assert "reeltag-film" in answer.headers


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        pytest.param({}, 400, id="no length"),
        pytest.param({"Upload-Length": "1e3"}, 400, id="no number"),
        pytest.param({"Upload-Defer-Length": "1"}, 400, id="deferred"),
        pytest.param({"Upload-Length": "0"}, 422, id="empty"),
        pytest.param({"Upload-Length": str(2**40)}, 413, id="too large"),
        pytest.param({"Upload-Length": "9", "Upload-Metadata": "title ?"}, 400, id="no base64"),
        pytest.param({"Upload-Length": "9", "Upload-Metadata": "title /w=="}, 400, id="no text"),
        pytest.param({"Upload-Length": "9", "Upload-Metadata": "a YQ==,a YQ=="}, 400, id="twice"),
        pytest.param({"Upload-Length": "9", "Upload-Metadata": encoded(sampling="all")}, 400,
                     id="sampling"),
        pytest.param({"Upload-Length": "9", "Upload-Metadata": encoded(title="x" * 256)}, 400,
                     id="long title"),
        pytest.param({"Upload-Length": "9", "Tus-Resumable": "2.0.0"}, 412, id="version"),
    ],
)  # fmt: skip
def test_an_announcement_that_cannot_be_kept_is_refused(
    client: AppClient, headers: dict[str, str], status: int
):
    answer = client.post("/v1/uploads", headers=TUS | headers)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"


def test_an_upload_can_be_given_up_but_not_while_it_is_sent(
    client: AppClient, services: Any, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(uploads_tus, "LOCK_WAIT_S", 0.1)
    place = create(client)
    with uploads_tus.uploads_of(services).open(place.rpartition("/")[2]):
        for answer in (
            client.request("DELETE", place, headers=TUS),
            patch(client, place, 0, FILM),
        ):
            assert (answer.status_code, answer.json()["code"]) == (423, "upload_locked")
    assert client.request("DELETE", place, headers=TUS).status_code == 204
    assert head(client, place).status_code == 404
    assert patch(client, place, 0, FILM).json()["code"] == "upload_not_found"


def test_a_caller_that_may_only_post_names_the_method(client: AppClient):
    place = create(client)
    headers = PART | {"Upload-Offset": "0"}
    sent = client.post(place, headers=headers | {"X-HTTP-Method-Override": "PATCH"}, content=b"ab")
    assert (sent.status_code, sent.headers["upload-offset"]) == (204, "2")
    gone = client.post(place, headers=TUS | {"X-HTTP-Method-Override": "DELETE"})
    assert gone.status_code == 204
    assert client.post(place, headers=TUS).status_code == 405


def test_the_largest_film_is_told(tmp_path: Any):
    client = AppClient(create_app(fake_services(tmp_path, max_upload_bytes=9)))
    assert client.request("OPTIONS", "/v1/uploads").headers["tus-max-size"] == "9"
    answer = client.post("/v1/uploads", headers=TUS | {"Upload-Length": "10"})
    assert answer.json()["code"] == "upload_too_large"
