"""`reeltag serve --no-worker` as a process of its own: sockets, memory, stopping."""

import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

MEBIBYTE = 2**20

READY_WITHIN_S = 120
"""A busy machine takes long to import; only a hang takes longer."""


class Server:
    """The process and its address."""

    def __init__(self, folder: Path, **settings: str) -> None:
        self.folder = folder
        self._log = folder / "serve.log"
        environment = os.environ | {"REELTAG_DATA_DIR": str(folder)} | settings
        command = [sys.executable, "-m", "app.cli", "serve", "--no-worker", "--port", "0"]
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                command, stdout=log, stderr=subprocess.STDOUT, env=environment
            )
        self.url = self._address()

    @property
    def log(self) -> str:
        return self._log.read_text(encoding="utf-8")

    def peak_bytes(self) -> int:
        """Most memory that the process ever held at once."""
        status = Path(f"/proc/{self.process.pid}/status").read_text(encoding="ascii")
        return int(re.findall(r"VmHWM:\s+(\d+) kB", status)[0]) * 1024

    def stop(self, number: int = signal.SIGTERM) -> int:
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(60)

    def _address(self) -> str:
        deadline_s = time.monotonic() + READY_WITHIN_S
        while time.monotonic() < deadline_s and self.process.poll() is None:
            found = re.search(r"serves at (http://[\d.:]+)", self.log)
            if found:
                return found[1]
            time.sleep(0.1)
        self.process.kill()
        raise AssertionError(f"the server did not start:\n{self.log}")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path)
    yield server
    server.stop(signal.SIGKILL)


def film_of(size_bytes: int, digest: Any) -> Iterator[bytes]:
    """Bytes that differ everywhere, a quarter of a megabyte at a time, hashed on the way."""
    block = bytes(range(256)) * 1024
    for place in range(0, size_bytes, len(block)):
        piece = (place.to_bytes(8, "big") + block)[: min(len(block), size_bytes - place)]
        digest.update(piece)
        yield piece


def form_of(content: Iterator[bytes]) -> Iterator[bytes]:
    yield b'--edge\r\nContent-Disposition: form-data; name="file"; filename="a.mp4"\r\n\r\n'
    yield from content
    yield b"\r\n--edge--\r\n"


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads /proc")
def test_memory_does_not_grow_with_the_film(server: Server):
    size_bytes = 300 * MEBIBYTE
    httpx.get(f"{server.url}/v1/films").raise_for_status()
    before = server.peak_bytes()
    for kind in ("application/octet-stream", "multipart/form-data; boundary=edge"):
        digest = hashlib.sha256(kind.encode())
        head = iter([kind.encode()])
        content = (piece for source in (head, film_of(size_bytes, digest)) for piece in source)
        body = form_of(content) if kind.startswith("multipart") else content
        answer = httpx.post(
            f"{server.url}/v1/films", content=body, headers={"Content-Type": kind}, timeout=300
        )
        assert answer.status_code == 202
        film = httpx.get(f"{server.url}{answer.headers['location']}").json()
        assert film["sha256"] == digest.hexdigest()
        assert film["size_bytes"] == size_bytes + len(kind)
    assert server.peak_bytes() - before < 100 * MEBIBYTE


def test_a_broken_upload_leaves_nothing_and_is_no_error_of_the_server(server: Server):
    def breaking() -> Iterator[bytes]:
        yield b"x" * (5 * MEBIBYTE)
        raise RuntimeError("the caller dies")

    with pytest.raises(RuntimeError, match="the caller dies"):
        httpx.post(
            f"{server.url}/v1/films", content=breaking(), headers={"Content-Type": "video/mp4"}
        )
    incoming = server.folder / "incoming"
    deadline_s = time.monotonic() + 30
    while any(incoming.iterdir()) and time.monotonic() < deadline_s:
        time.sleep(0.05)
    assert not list(incoming.iterdir())
    assert httpx.get(f"{server.url}/v1/films").json()["items"] == []
    assert server.stop() == 0
    assert "ERROR" not in server.log
    assert "Traceback" not in server.log


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["TERM", "INT"])
def test_a_stop_with_an_open_event_stream_is_clean(server: Server, number: signal.Signals):
    film_id = httpx.post(
        f"{server.url}/v1/films", content=b"film", headers={"Content-Type": "video/mp4"}
    ).json()["id"]
    first_seen, lines = threading.Event(), []

    def watch() -> None:
        with httpx.stream("GET", f"{server.url}/v1/films/{film_id}/events", timeout=60) as stream:
            for line in stream.iter_lines():
                lines.append(line)
                if line.startswith("data:"):
                    first_seen.set()

    watcher = threading.Thread(target=watch)
    watcher.start()
    assert first_seen.wait(60)
    assert server.stop(number) == 0
    watcher.join(60)
    assert not watcher.is_alive()
    data = [json.loads(line[5:]) for line in lines if line.startswith("data:")]
    assert data == [{"status": "queued", "stage": "queued", "progress": 0.0}]
    assert "Traceback" not in server.log


def test_an_upload_beyond_the_limit_is_answered_though_it_was_not_read(tmp_path: Path):
    server = Server(tmp_path, REELTAG_MAX_UPLOAD_BYTES="100000")
    try:
        for length in (True, False):
            content = b"x" * (20 * MEBIBYTE)
            answer = httpx.post(
                f"{server.url}/v1/films",
                content=content if length else iter([content]),
                headers={"Content-Type": "video/mp4"},
            )
            assert (answer.status_code, answer.json()["code"]) == (413, "upload_too_large")
        assert not list((tmp_path / "incoming").iterdir())
    finally:
        assert server.stop() == 0


def test_a_film_uploaded_before_a_restart_is_there_after_it(server: Server):
    answer = httpx.post(
        f"{server.url}/v1/films?title=Kept", content=b"film", headers={"Content-Type": "video/mp4"}
    )
    assert server.stop(signal.SIGKILL) != 0
    again = Server(server.folder)
    try:
        film = httpx.get(f"{again.url}{answer.headers['location']}").json()
        assert (film["title"], film["status"]) == ("Kept", "queued")
    finally:
        assert again.stop() == 0
