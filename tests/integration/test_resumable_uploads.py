"""Resumable uploads against real processes: kills, two servers on one folder, a foreign client."""

import base64
import hashlib
import http.client
import json
import shutil
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urlsplit

import httpx
import pytest

from reeltag import upload_calls
from reeltag.client import Client
from tests.integration.test_api_server import MEBIBYTE, Server, film_of
from tests.media import sample_film
from tests.processes import library, wait_until

TUS = {"Tus-Resumable": "1.0.0"}
PART = TUS | {"Content-Type": "application/offset+octet-stream"}

NOT_TESTED = "TUS NOT TESTED WITH TUS-JS-CLIENT"

NPM_WITHIN_S = 60


@dataclass
class Pair:
    """Two API processes on one data folder."""

    folder: Path
    first: Server
    second: Server


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """Started once; the last test kills the first process."""
    folder, servers = tmp_path_factory.mktemp("pair"), []
    for name in ("first", "second"):
        (folder / name).mkdir()
        servers.append(Server(folder / name, REELTAG_DATA_DIR=str(folder / "data")))
    yield Pair(folder, *servers)
    for server in servers:
        server.stop(signal.SIGKILL)


def create(address: str, length: int, filename: str = "film.mp4") -> str:
    name = base64.b64encode(filename.encode()).decode()
    headers = TUS | {"Upload-Length": str(length), "Upload-Metadata": f"filename {name}"}
    answer = httpx.post(f"{address}/v1/uploads", headers=headers)
    assert answer.status_code == 201, answer.text
    return answer.headers["location"]


def offset_of(url: str) -> int:
    answer = httpx.head(url, headers=TUS, timeout=60)
    assert answer.status_code == 200
    return int(answer.headers["upload-offset"])


def send(url: str, offset: int, content: bytes) -> httpx.Response:
    headers = PART | {"Upload-Offset": str(offset)}
    return httpx.patch(url, headers=headers, content=content, timeout=60)


def begin_to_send(url: str, length: int, content: bytes) -> http.client.HTTPConnection:
    """Promise `length` bytes, send fewer, and keep the connection open."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc)
    connection.putrequest("PATCH", urlsplit(url).path)
    for name, value in (PART | {"Upload-Offset": "0", "Content-Length": str(length)}).items():
        connection.putheader(name, value)
    connection.endheaders()
    connection.send(content)
    return connection


def test_a_killed_service_goes_on_where_the_upload_broke_and_the_film_is_analysed(tmp_path: Path):
    sample = sample_film(tmp_path / "sample.mp4").path.read_bytes()
    padding = hashlib.shake_256(b"padding").digest(2 * MEBIBYTE)
    film = sample + (len(padding) + 8).to_bytes(4, "big") + b"free" + padding
    with library(tmp_path / "data", chunk_s=60.0) as opened:
        process, address = opened.serve()
        place = create(address, len(film))
        connection = begin_to_send(address + place, len(film), film[: len(film) // 2])
        wait_until(lambda: offset_of(address + place), "bytes are on the disk")
        opened.kill(process)
        connection.close()
        _, address = opened.serve()
        offset = offset_of(address + place)
        assert 0 < offset <= len(film) // 2
        answer = send(address + place, offset, film[offset:])
        assert answer.status_code == 204, answer.text
        found = opened.film(answer.headers["reeltag-film"])
        assert found.sha256 == hashlib.sha256(film).hexdigest()
        assert found.filename == "film.mp4"
        assert opened.job_count(found.id) == 1
        assert opened.wait_for_end(found.id).status == "done"


def test_two_processes_never_append_at_once_and_continue_each_other(pair: Pair):
    film = b"".join(film_of(3 * MEBIBYTE, hashlib.sha256()))
    place = create(pair.first.url, len(film))
    connection = begin_to_send(pair.first.url + place, len(film), film[:MEBIBYTE])
    there = pair.second.url + place
    wait_until(lambda: offset_of(there), "the other process sees the bytes")
    refused = send(there, offset_of(there), film)
    assert (refused.status_code, refused.json()["code"]) == (423, "upload_locked")
    connection.close()
    wait_until(lambda: offset_of(there) == MEBIBYTE, "what arrived of the broken request is kept")
    assert send(there, 0, film[:10]).status_code == 409
    answer = send(there, MEBIBYTE, film[MEBIBYTE:])
    film_id = answer.headers["reeltag-film"]
    asked = httpx.head(pair.first.url + place, headers=TUS)
    assert asked.headers["reeltag-film"] == film_id
    source = httpx.get(f"{pair.first.url}/v1/films/{film_id}/source")
    assert hashlib.sha256(source.content).digest() == hashlib.sha256(film).digest()
    again = create(pair.first.url, len(film))
    known = send(pair.first.url + again, 0, film)
    assert known.headers["reeltag-film"] == film_id
    assert known.headers["reeltag-film-created"] == "false"
    assert list((pair.folder / "data" / "incoming").glob("**/*.part")) == []


@dataclass
class Shaky(httpx.HTTPTransport):
    """A connection that loses the answers to some requests, after the server did the work."""

    lose: set[int]
    offsets: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        answer = super().handle_request(request)
        if request.method == "PATCH":
            self.offsets.append(int(request.headers["upload-offset"]))
            if len(self.offsets) in self.lose:
                answer.close()
                raise httpx.ReadError("the answer was lost")
        return answer


def test_the_python_client_goes_on_after_lost_answers(
    pair: Pair, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    monkeypatch.setattr(upload_calls, "PART_BYTES", MEBIBYTE)
    monkeypatch.setattr(upload_calls, "FIRST_WAIT_S", 0.01)
    path = tmp_path / "long.mp4"
    path.write_bytes(hashlib.shake_256(b"long").digest(3 * MEBIBYTE))
    shaky, told, places = Shaky({1, 3}), [], []
    http_client = httpx.Client(base_url=pair.first.url, transport=shaky, timeout=60)
    with Client(http=http_client) as client:
        added = client.upload_resumable(
            path, lambda *now: told.append(now), title="Long", on_start=places.append
        )
        assert added.created
        assert (added.film.title, added.film.filename) == ("Long", "long.mp4")
        assert added.film.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
        assert shaky.offsets == [0, MEBIBYTE, 2 * MEBIBYTE]  # nothing was sent twice
        assert told[-1] == (3 * MEBIBYTE, 3 * MEBIBYTE)
        assert client.upload_resumable(path, upload=places[0]).film.id == added.film.id
        assert not client.upload_resumable(path).created


SCRIPT = """
const fs = require("fs");
const tus = require("tus-js-client");
const [mode, address, path] = process.argv.slice(2);
const report = { patches: 0 };
const upload = new tus.Upload(fs.createReadStream(path), {
  ...(mode === "resume" ? { uploadUrl: address } : { endpoint: address }),
  chunkSize: 512 * 1024,
  uploadSize: fs.statSync(path).size,
  retryDelays: [0, 500],
  metadata: { filename: "from-node.mp4", title: "M\\u00fcde" },
  onAfterResponse: (request, response) => {
    if (request.getMethod() === "PATCH") report.patches += 1;
    report.film = response.getHeader("Reeltag-Film") || report.film;
  },
  onChunkComplete: (size, accepted) => {
    if (mode === "resume" || accepted === report.total) return;
    report.accepted = accepted;
    upload.abort(mode === "terminate").then(end);
  },
  onError: (error) => { console.error(String(error)); process.exit(1); },
  onSuccess: end,
});
function end() {
  console.log(JSON.stringify({ ...report, url: upload.url }));
  process.exit(0);
}
upload.start();
"""


def _skip(reason: str) -> NoReturn:
    pytest.skip(f"{NOT_TESTED}: {reason}")


@pytest.fixture
def tus_js(tmp_path: Path) -> Path:
    """The tus project's own client in a folder of its own."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        _skip("node and npm are not installed")
    folder = tmp_path / "node"
    folder.mkdir()
    (folder / "package.json").write_text('{"private": true}')
    command = ["npm", "install", "--no-save", "--no-audit", "--no-fund", "tus-js-client@4"]
    try:
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, timeout=NPM_WITHIN_S
        )
    except subprocess.TimeoutExpired:
        _skip("the package tus-js-client did not come in time")
    if done.returncode != 0:
        _skip(f"the package tus-js-client cannot be had: {done.stderr.strip()[-200:]}")
    (folder / "send.cjs").write_text(SCRIPT)
    return folder


def run_node(folder: Path, *words: Any) -> dict[str, Any]:
    command = ["node", "send.cjs", *map(str, words)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_client_of_the_tus_project_breaks_off_resumes_after_a_kill_and_terminates(
    pair: Pair, tus_js: Path
):
    path = pair.folder / "film.mp4"
    path.write_bytes(b"".join(film_of(2 * MEBIBYTE, hashlib.sha256())))
    broken = run_node(tus_js, "begin", f"{pair.first.url}/v1/uploads", path)
    assert broken["accepted"] == 512 * 1024
    pair.first.stop(signal.SIGKILL)
    url = broken["url"].replace(pair.first.url, pair.second.url)
    resumed = run_node(tus_js, "resume", url, path)
    assert resumed["patches"] <= 3  # of four parts, the first was there
    film = httpx.get(f"{pair.second.url}/v1/films/{resumed['film']}").json()
    assert film["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert (film["title"], film["filename"]) == ("Müde", "from-node.mp4")
    given_up = run_node(tus_js, "terminate", f"{pair.second.url}/v1/uploads", path)
    assert httpx.head(given_up["url"], headers=TUS).status_code == 404
