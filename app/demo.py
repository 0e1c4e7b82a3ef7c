"""`make demo`: start the service, send it a film, show what it found, stop.

A user of the REST API like any other: it starts `reeltag serve` as a process of its own and knows
nothing of what is inside.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

READY_WITHIN_S = 120.0
"""Loading the network on a busy small machine takes far less."""

console = Console()


def main() -> int:
    """Run the demonstration on the film named on the command line; return the exit code."""
    film = Path(sys.argv[1])
    with (
        tempfile.TemporaryDirectory(prefix="reeltag-demo-") as folder,
        _service(Path(folder)) as address,
        httpx.Client(base_url=address, timeout=60) as client,
    ):
        console.print(f"Reeltag serves at [bold]{address}[/] (data in {folder})")
        film_id = _upload(client, film)
        status = _show_progress(client, film_id)
        if status != "done":
            error = client.get(f"/v1/films/{film_id}").json()["error"]
            console.print(f"[red]The film ended {status}: {error}")
            return 1
        _print_film(client, film_id)
    console.print(
        "The service has stopped. `make run` keeps it running; README.md goes on from here."
    )
    return 0


@contextmanager
def _service(data_dir: Path) -> Iterator[str]:
    """Start `reeltag serve`, give its address once it is ready, stop it as Ctrl-C would."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "app.cli", "serve", "--port", str(port)]
    environment = os.environ | {"REELTAG_DATA_DIR": str(data_dir), "REELTAG_LOG_LEVEL": "WARNING"}
    process = subprocess.Popen(command, env=environment)
    try:
        address = f"http://127.0.0.1:{port}"
        _wait_until_ready(process, address)
        yield address
    finally:
        process.send_signal(signal.SIGINT)
        try:
            code = process.wait(timeout=40)
        except subprocess.TimeoutExpired:
            process.kill()
            code = process.wait()
    if code != 0:
        raise SystemExit(f"the service stopped with exit code {code}")


def _wait_until_ready(process: subprocess.Popen[bytes], address: str) -> None:
    deadline = time.monotonic() + READY_WITHIN_S
    with console.status("Starting the service ..."):
        while time.monotonic() < deadline:
            if process.poll() is not None:
                raise SystemExit(f"the service did not start (exit code {process.returncode})")
            try:
                if httpx.get(f"{address}/readyz", timeout=5).status_code == httpx.codes.OK:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.2)
    raise SystemExit(f"the service was not ready within {READY_WITHIN_S:.0f} s")


def _upload(client: httpx.Client, film: Path) -> str:
    size_mb = film.stat().st_size / 1e6
    with film.open("rb") as stream:
        answer = client.post(
            "/v1/films",
            params={"title": "Sample film", "filename": film.name},
            headers={"Content-Type": "video/mp4"},
            content=stream,
        )
    answer.raise_for_status()
    film_id = str(answer.json()["id"])
    console.print(
        f"POST /v1/films: {film.name}, {size_mb:.1f} MB -> {answer.status_code}, film {film_id}"
    )
    return film_id


def _show_progress(client: httpx.Client, film_id: str) -> str:
    """Follow the film's events until its end; return the final status."""
    columns = (
        TextColumn("{task.description:>12}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as bars:
        bar = bars.add_task("queued", total=1.0)
        shown = ""
        for event in _events(client, film_id):
            bars.update(bar, completed=event["progress"], description=event["stage"])
            line = f"{event['stage']:>12} {event['progress']:4.0%}"
            if not console.is_terminal and line != shown:
                console.print(line)
                shown = line
    return str(client.get(f"/v1/films/{film_id}").json()["status"])


def _events(client: httpx.Client, film_id: str) -> Iterator[dict[str, Any]]:
    with client.stream("GET", f"/v1/films/{film_id}/events", timeout=None) as answer:
        answer.raise_for_status()
        for line in answer.iter_lines():
            if line.startswith("data:"):
                yield json.loads(line.removeprefix("data:"))


def _print_film(client: httpx.Client, film_id: str) -> None:
    film = client.get(f"/v1/films/{film_id}").json()
    tags = client.get(f"/v1/films/{film_id}/tags").json()["items"]
    segments = client.get(f"/v1/films/{film_id}/segments").json()["items"]
    console.print(
        f"\n[bold]{film['title']}[/], {film['duration_s']:.1f} s, model {film['model_version']}"
    )
    table = Table("Film tag", "Score", "Seconds", "Shots", "First at", title="What it is about")
    for tag in tags:
        numbers = (tag["score"], tag["coverage_s"])
        table.add_row(tag["tag"], *(f"{number:.2f}" for number in numbers),
                      str(tag["shot_count"]), f"{tag['first_s']:.1f} s")  # fmt: skip
    console.print(table)
    table = Table("Tag", "From", "To", "Score", title="Where it holds")
    named = {tag["tag"] for tag in tags}
    for segment in segments:
        if segment["tag"] in named:
            times = (f"{segment[end]:.2f} s" for end in ("start_s", "end_s"))
            table.add_row(segment["tag"], *times, f"{segment['score']:.2f}")
    console.print(table)


if __name__ == "__main__":
    raise SystemExit(main())
