"""What is too much or too slow is refused with a code, and what our own disk takes is not held
against the caller."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from app.api import docs
from app.api.limits import LimitsMiddleware
from app.config import Settings
from app.errors import RequestTooSlow
from app.main import create_app
from tests.api_client import AppClient, fake_services, pieces


@pytest.fixture
def client(tmp_path: Any) -> AppClient:
    return AppClient(create_app(fake_services(tmp_path, max_body_bytes=2048)))


@pytest.mark.parametrize("is_announced", [True, False])
def test_a_body_that_is_no_film_may_not_be_large(client: AppClient, is_announced: bool):
    content: Any = b'{"stale": true, "model": "' + b"x" * 4000 + b'"}'
    answer = client.post(
        "/v1/films/retag", content=content if is_announced else pieces([content[:9], content[9:]]),
        headers={"Content-Type": "application/json"},
    )  # fmt: skip
    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")
    assert answer.headers["connection"] == "close"


def test_a_film_may_be_larger_than_other_bodies(client: AppClient):
    answer = client.post("/v1/films", content=b"x" * 100_000, headers={"Content-Type": "video/mp4"})
    assert answer.status_code == 202


@pytest.mark.parametrize(
    "headers", [{"X-Long": "x" * 40_000}, {f"X-{n}": "x" for n in range(120)}], ids=["long", "many"]
)
def test_headers_may_be_neither_long_nor_many(client: AppClient, headers: dict[str, str]):
    answer = client.get("/v1/films", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (431, "headers_too_large")
    assert answer.headers["x-content-type-options"] == "nosniff"


def slow_app(tmp_path: Any) -> AppClient:
    changes = {"body_stall_s": 0.2, "body_bytes_per_s": 1000}
    return AppClient(create_app(fake_services(tmp_path, **changes)))


async def dripping() -> AsyncIterator[bytes]:
    for _ in range(1000):
        yield b"x"
        await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    ("path", "kind"), [("/v1/films", "video/mp4"), ("/v1/films/retag", "application/json")]
)
def test_a_body_that_drips_is_ended(tmp_path: Any, path: str, kind: str):
    answer = slow_app(tmp_path).post(path, content=dripping(), headers={"Content-Type": kind})
    assert (answer.status_code, answer.json()["code"]) == (408, "request_too_slow")
    assert answer.headers["connection"] == "close"
    assert not list(tmp_path.glob("*.part"))


def test_what_dripped_into_a_resumable_upload_is_kept(tmp_path: Any):
    client = slow_app(tmp_path)
    tus = {"Tus-Resumable": "1.0.0"}
    place = client.post("/v1/uploads", headers=tus | {"Upload-Length": "5000"}).headers["location"]
    headers = tus | {"Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"}
    answer = client.request("PATCH", place, content=dripping(), headers=headers)
    assert answer.status_code == 204
    arrived = int(answer.headers["upload-offset"])
    assert 0 < arrived < 1000
    assert int(client.request("HEAD", place, headers=tus).headers["upload-offset"]) == arrived


def run_body(
    reads: Callable[[Callable[[], Awaitable[Any]]], Awaitable[None]],
    receive: Callable[[], Awaitable[Any]],
) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await reads(receive)

    async def send(message: Any) -> None:
        pass

    settings = Settings(body_stall_s=0.05, body_bytes_per_s=10)
    scope = {"type": "http", "method": "POST", "path": "/v1/films", "headers": []}
    asyncio.run(LimitsMiddleware(app, settings)(scope, receive, send))


def test_time_that_we_take_ourselves_is_not_held_against_the_caller():
    async def receive() -> Any:
        return {"type": "http.request", "body": b"x", "more_body": True}

    async def reads(receive: Any) -> None:
        for _ in range(5):
            assert (await receive())["body"] == b"x"
            await asyncio.sleep(0.06)  # the disk is slow

    run_body(reads, receive)


def test_a_silent_caller_is_ended():
    async def receive() -> Any:
        await asyncio.Event().wait()

    async def reads(receive: Any) -> None:
        with pytest.raises(RequestTooSlow):
            await receive()

    run_body(reads, receive)


def test_waiting_for_the_caller_to_hang_up_has_no_limit():
    messages = [{"type": "http.request", "body": b"", "more_body": False}]

    async def receive() -> Any:
        if messages:
            return messages.pop()
        await asyncio.sleep(0.2)
        return {"type": "http.disconnect"}

    async def reads(receive: Any) -> None:
        await receive()
        assert (await receive())["type"] == "http.disconnect"

    run_body(reads, receive)


def test_every_answer_says_what_it_may_load(client: AppClient):
    for path in ("/", "/films/x", "/models", "/login"):
        policy = client.get(path).headers["content-security-policy"]
        assert "script-src 'self';" in policy
        assert "unsafe" not in policy
    for path in ("/v1/films", "/v1/films/none", "/nowhere", "/static/api.js", "/openapi.json"):
        headers = client.get(path).headers
        assert headers["content-security-policy"].startswith("default-src 'none';")
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert headers["referrer-policy"] == "no-referrer"


def test_the_documentation_runs_the_scripts_that_stand_in_it_and_no_other(client: AppClient):
    answer = client.get("/docs")
    policy = answer.headers["content-security-policy"]
    assert policy == docs.content_policy(answer.text)
    assert policy.count("'sha256-") == len(docs.INLINE.findall(answer.text)) > 0
    scripts = policy.partition("script-src")[2].partition(";")[0]
    assert "unsafe-inline" not in scripts
