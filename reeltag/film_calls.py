"""Calls that take, watch, look at and delete films."""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote

from reeltag.errors import AnalysisFailed
from reeltag.transport import Transport
from reeltag.types import AddedFilm, Film, Page, Progress, RetagReport

READ_BYTES = 2**20
"""Read and sent at once; memory does not grow with the film."""

OnProgress = Callable[[int, int], None]
"""Called with the bytes sent and the bytes of the whole film."""


class FilmCalls(Transport):
    """What can be done with films."""

    def add_film(
        self,
        film: str | Path | BinaryIO,
        *,
        title: str | None = None,
        filename: str | None = None,
        sampling: str | None = None,
        on_progress: OnProgress | None = None,
        idempotency_key: str | None = None,
    ) -> AddedFilm:
        """Upload a film and queue its analysis; the same bytes again are not analysed twice.

        Args:
            film: A file's path, or an open binary file that can be sought in.
            title: Shown name; None takes the file's.
            filename: Name of the file, for people; None takes the path's.
            sampling: ``shots``, ``keyframes`` or ``interval:SECONDS``; None takes the default.
            on_progress: Told how much was sent.
            idempotency_key: A word for this very upload; sent again, it gets the same answer.

        Raises:
            UploadRefused: It is too large or empty.
            QuotaExceeded: The API key has as much on the server as it may.
            RateLimited: The API key sends too much at once.
            Unavailable: The server cannot take films now; nothing was kept.
        """
        if isinstance(film, (str, Path)):
            with Path(film).open("rb") as source:
                name = filename or Path(film).name
                return self.add_film(source, title=title, filename=name, sampling=sampling,
                                     on_progress=on_progress,
                                     idempotency_key=idempotency_key)  # fmt: skip
        start = film.tell()
        size_bytes = film.seek(0, 2) - start
        film.seek(start)
        params = {"title": title, "filename": filename, "sampling": sampling}
        headers = {"Content-Type": "application/octet-stream", "Content-Length": str(size_bytes)}
        if idempotency_key is not None:
            headers["Idempotency-Key"] = idempotency_key
        content = _pieces(film, size_bytes, on_progress)
        answer = self.send("POST", "/v1/films", params, content=content, headers=headers)
        found = self.get_film(answer.json()["id"])
        return AddedFilm(film=found, created=answer.status_code == 202)

    def list_films(
        self,
        *,
        tag: Sequence[str] = (),
        any_tag: Sequence[str] = (),
        not_tag: Sequence[str] = (),
        min_score: float | None = None,
        min_coverage_s: float | None = None,
        status: str | None = None,
        q: str | None = None,
        model_version: str | None = None,
        created_after: datetime | None = None,
        created_before: datetime | None = None,
        sort: str | None = None,
        cursor: str | None = None,
        limit: int | None = None,
    ) -> Page[Film]:
        """Find films; everything that is given must hold. `walk` goes through all pages."""
        asked = {name: value for name, value in locals().items() if name != "self"}
        return self.page(Film, "/v1/films", asked)

    def get_film(self, film_id: str) -> Film:
        """Look at a film.

        Raises:
            FilmNotFound: No film has this id.
        """
        return self.get(Film, film_path(film_id))

    def watch_film(self, film_id: str) -> Iterator[Progress]:
        """Give a film's status and progress whenever one changes, until the analysis ends.

        Ends early where the server stops; `wait` bridges that.
        """
        with self.stream("GET", f"{film_path(film_id)}/events") as answer:
            is_end = False
            for line in answer.iter_lines():
                name, _, text = line.partition(":")
                if name == "event":
                    is_end = text.strip() == "end"
                elif name == "data" and not is_end:
                    yield Progress.model_validate(json.loads(text))
                elif name == "data":
                    last = Progress.model_validate(json.loads(text))
                    if last.status == "deleted":
                        yield last
                    return

    def wait(
        self,
        film_id: str,
        *,
        timeout_s: float | None = None,
        every_s: float = 0.5,
        on_progress: Callable[[Film], None] | None = None,
    ) -> Film:
        """Wait until a film is analysed.

        Args:
            film_id: The film.
            timeout_s: Longest wait; None waits for ever.
            every_s: Seconds between two looks.
            on_progress: Told each time how the film stands.

        Raises:
            AnalysisFailed: It cannot be analysed, or somebody cancelled it.
            FilmNotFound: No film has this id, or it was deleted meanwhile.
            TimeoutError: It took longer than `timeout_s`; the analysis goes on.
        """
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        while True:
            film = self.get_film(film_id)
            if on_progress is not None:
                on_progress(film)
            if film.status == "done":
                return film
            if film.is_final:
                error = film.error
                raise AnalysisFailed(
                    film_id, error.code if error else film.status, error.detail if error else ""
                )
            if deadline is not None and time.monotonic() > deadline:
                raise TimeoutError(f"film {film_id} is {film.status} after {timeout_s} s")
            time.sleep(every_s)

    def cancel_film(self, film_id: str) -> Film:
        """Stop a film's analysis; what was shown before stays."""
        return self.post(Film, f"{film_path(film_id)}/cancel")

    def retag_film(self, film_id: str, *, sampling: str | None = None) -> Film:
        """Queue another analysis of a film with the active model.

        Raises:
            FilmBusy: It is being analysed.
        """
        return self.post(Film, f"{film_path(film_id)}/retag", params={"sampling": sampling})

    def retag_films(
        self,
        *,
        stale: bool = True,
        model: str | None = None,
        cursor: str | None = None,
        limit: int = 1000,
    ) -> RetagReport:
        """Queue many films to be tagged anew with the active model.

        Args:
            stale: Only films that show another model's tags than the active one's.
            model: Only films that show this model's tags.
            cursor: As an earlier answer gave it.
            limit: Most films that are queued.
        """
        body = {"stale": stale, "model": model, "cursor": cursor, "limit": limit}
        return self.post(RetagReport, "/v1/films/retag", json=body)

    def delete_film(self, film_id: str) -> None:
        """Delete a film and all that was found in it."""
        self.send("DELETE", film_path(film_id))

    def get_film_source(self, film_id: str, target: str | Path) -> int:
        """Download the film itself into a file; return its bytes."""
        with self.stream("GET", f"{film_path(film_id)}/source") as answer:
            with Path(target).open("wb") as file:
                for piece in answer.iter_raw(READ_BYTES):
                    file.write(piece)
            return answer.num_bytes_downloaded


def film_path(film_id: str) -> str:
    """Return where a film is found; any text is one part of the path."""
    return f"/v1/films/{quote(film_id, safe='')}"


def _pieces(film: BinaryIO, size_bytes: int, on_progress: OnProgress | None) -> Iterator[bytes]:
    sent = 0
    while piece := film.read(READ_BYTES):
        yield piece
        sent += len(piece)
        if on_progress is not None:
            on_progress(sent, size_bytes)
