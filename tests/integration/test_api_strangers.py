"""The server process against strangers: keys over a socket, endless heads, dripping bodies."""

import json
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from reeltag.client import Client
from reeltag.errors import Forbidden, QuotaExceeded, RateLimited, Unauthorized
from tests.integration.test_api_server import Server

PATIENCE_S = 60.0
"""Only a hang takes so long."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    server = Server(
        tmp_path, REELTAG_REQUIRE_KEY="always", REELTAG_BODY_STALL_S="1",
        REELTAG_BODY_BYTES_PER_S="100",
    )  # fmt: skip
    yield server
    assert server.stop() == 0
    assert "Traceback" not in server.log


def make_key(server: Server, *options: str) -> str:
    command = [sys.executable, "-m", "app.cli", "keys", "create", "test", "--json", *options]
    environment = {"REELTAG_DATA_DIR": str(server.folder), "PATH": "/usr/bin:/bin"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return str(json.loads(done.stdout)["key"])


def talk(server: Server, head: bytes, drip: bytes = b"") -> bytes:
    """Send `head`, then `drip` again and again, until the server ends it; return its answer."""
    host = urlsplit(server.url)
    with socket.create_connection((host.hostname, host.port), timeout=PATIENCE_S) as sock:
        sock.sendall(head)
        deadline_s = time.monotonic() + PATIENCE_S
        received = b""
        sock.settimeout(0.05 if drip else PATIENCE_S)
        while time.monotonic() < deadline_s:
            try:
                piece = sock.recv(65536)
                if not piece:
                    return received
                received += piece
            except TimeoutError:
                assert drip, "the server neither answers nor ends it"
            except ConnectionError:
                return received
            if drip and not received:
                try:
                    sock.sendall(drip)
                except ConnectionError:
                    return received
    raise AssertionError("the server did not end it")


def test_a_running_service_lets_keys_in_and_nobody_else(server: Server):
    assert "there is none" in server.log
    reader, writer = make_key(server), make_key(server, "--scope", "write", "--max-films", "1")
    busy = make_key(server, "--requests-per-min", "1")
    with Client(server.url, api_key="") as stranger, pytest.raises(Unauthorized):
        stranger.list_films()
    assert httpx.get(f"{server.url}/healthz").status_code == 200
    assert httpx.get(f"{server.url}/metrics").status_code == 401
    path = server.folder / "a.mp4"
    path.write_bytes(b"film")
    with Client(server.url, api_key=reader) as client, pytest.raises(Forbidden):
        client.add_film(path)
    with Client(server.url, api_key=writer) as client:
        added = client.add_film(path, idempotency_key="once")
        assert client.add_film(path, idempotency_key="once") == added
        path.write_bytes(b"another")
        with pytest.raises(QuotaExceeded):
            client.upload_resumable(path, tries=1)
    with Client(server.url, api_key=busy) as client:
        client.list_tags()
        with pytest.raises(RateLimited) as caught:
            client.list_tags()
    assert (caught.value.retry_after_s or 0) > 0
    for secret in (reader, writer, busy):
        assert secret not in server.log


def test_the_client_takes_its_key_from_the_environment(
    server: Server, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("REELTAG_API_KEY", make_key(server))
    with Client(server.url) as client:
        assert client.list_films().items == []


def test_a_body_that_drips_is_ended_with_a_reason(server: Server):
    key = make_key(server, "--scope", "write")
    head = (
        b"POST /v1/films HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + key.encode() + b"\r\n"
        b"Content-Type: video/mp4\r\nContent-Length: 1000000\r\n\r\n"
    )
    answer = talk(server, head, b"x")
    assert answer.startswith(b"HTTP/1.1 408")
    assert b"request_too_slow" in answer
    assert not list((server.folder / "incoming").glob("*.part"))


def test_a_head_that_does_not_end_is_ended(server: Server):
    endless = b"GET / HTTP/1.1\r\nHost: x\r\nX-Long: "
    assert b"headers_too_large" in talk(server, endless + b"x" * 50_000, b"x" * 1000)
    many = b"".join(b"X-%d: y\r\n" % n for n in range(200))
    answer = talk(
        server, b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" + many + b"\r\n"
    )
    assert re.match(rb"HTTP/1.1 431 .*headers_too_large", answer, re.DOTALL)


def test_an_endless_trailer_is_ended(server: Server):
    head = b"POST /v1/films/retag HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: "
    assert talk(server, head + b"x" * 50_000, b"x" * 1000)


def test_a_caller_who_says_nothing_is_let_go(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    program = (
        "from app.api.connections import BoundedConnection; BoundedConnection.head_s = 0.5; "
        "import sys; sys.argv = ['reeltag', 'serve', '--no-worker', '--port', '0']; "
        "from app.cli import main; main()"
    )

    class Impatient(Server):
        def __init__(self) -> None:
            real = subprocess.Popen

            def start(command: list[str], **options: object) -> subprocess.Popen[bytes]:
                return real([sys.executable, "-c", program], **options)  # type: ignore[call-overload,no-any-return]

            monkeypatch.setattr(subprocess, "Popen", start)
            super().__init__(tmp_path)
            monkeypatch.undo()

    server = Impatient()
    try:
        assert talk(server, b"") == b""
        assert talk(server, b"GET /healthz HTT") == b""
        assert talk(server, b"GET /healthz HTTP/1.1\r\nHost: x\r\nX: ", b"y") == b""
        assert httpx.get(f"{server.url}/healthz").status_code == 200
    finally:
        assert server.stop() == 0
