"""Uploads that go on where they broke off, by tus 1.0."""

import base64
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

import httpx

from reeltag.errors import ApiError, ConnectionFailed, NotFound, ReeltagError
from reeltag.film_calls import READ_BYTES, FilmCalls, OnProgress
from reeltag.types import AddedFilm

PLACE = "/v1/uploads"

VERSION = {"Tus-Resumable": "1.0.0"}

PART_BYTES = 64 * 2**20
"""Sent by one request; the answer says that so much is safe on the server's disk."""

FIRST_WAIT_S = 0.5
LONGEST_WAIT_S = 15.0
"""Each failure without a byte in between doubles the wait."""

HEALS = frozenset({408, 409, 423, 429, 460, 500, 502, 503, 504, 507})
"""Statuses after which it is worth asking where the upload stands, and going on."""


class UploadCalls(FilmCalls):
    """Uploads for long films and bad connections."""

    def upload_resumable(
        self,
        path: str | Path,
        on_progress: OnProgress | None = None,
        *,
        title: str | None = None,
        filename: str | None = None,
        sampling: str | None = None,
        upload: str | None = None,
        on_start: Callable[[str], None] | None = None,
        tries: int = 10,
    ) -> AddedFilm:
        """Upload a film; go on after broken connections and restarts of the server.

        Args:
            path: The film.
            on_progress: Told how much has arrived.
            title: Shown name; None takes the file's.
            filename: Name of the file, for people; None takes the path's.
            sampling: ``shots``, ``keyframes`` or ``interval:SECONDS``; None takes the default.
            upload: What an earlier call told `on_start`, to go on with that upload.
            on_start: Told where the upload is, to be remembered over an end of this program.
            tries: Failures in a row, without a byte in between, after which this gives up.

        Raises:
            UploadRefused: It is too large or empty.
            ConnectionFailed: The server stays away; the upload can be continued later.
            Unavailable: The server cannot take films now; the upload can be continued later.
        """
        words = {"title": title, "filename": filename or Path(path).name, "sampling": sampling}
        with Path(path).open("rb") as film:
            size_bytes = film.seek(0, 2)
            place, offset, failures = upload, None if upload else 0, 0
            while True:
                try:
                    if place is None:
                        place, offset = self._announce(size_bytes, words), 0
                        if on_start is not None:
                            on_start(place)
                    if offset is None:
                        answer = self.send("HEAD", place, headers=VERSION)
                    else:
                        answer = self._send_part(place, film, offset, size_bytes, on_progress)
                    arrived = int(answer.headers["Upload-Offset"])
                    failures = failures if arrived == offset else 0
                    offset = arrived
                    if "Reeltag-Film" in answer.headers:
                        return self._added(answer)
                except NotFound:
                    if place is None or failures >= tries:
                        raise
                    place, failures = None, failures + 1  # it expired: from the beginning
                except (ConnectionFailed, ApiError) as error:
                    failures += 1
                    if failures >= tries or not _heals(error):
                        raise
                    offset = None
                    time.sleep(min(FIRST_WAIT_S * 2 ** (failures - 1), LONGEST_WAIT_S))

    def _announce(self, size_bytes: int, words: Mapping[str, str | None]) -> str:
        metadata = ",".join(
            f"{name} {base64.b64encode(word.encode()).decode()}"
            for name, word in words.items()
            if word
        )
        headers = VERSION | {"Upload-Length": str(size_bytes), "Upload-Metadata": metadata}
        return self.send("POST", PLACE, headers=headers).headers["Location"]

    def _send_part(
        self,
        place: str,
        film: BinaryIO,
        offset: int,
        size_bytes: int,
        on_progress: OnProgress | None,
    ) -> httpx.Response:
        end = min(offset + PART_BYTES, size_bytes)
        headers = VERSION | {
            "Upload-Offset": str(offset),
            "Content-Type": "application/offset+octet-stream",
            "Content-Length": str(end - offset),
        }

        def pieces() -> Iterator[bytes]:
            film.seek(offset)
            while piece := film.read(min(READ_BYTES, end - film.tell())):
                yield piece
                if on_progress is not None:
                    on_progress(film.tell(), size_bytes)

        return self.send("PATCH", place, content=pieces(), headers=headers)

    def _added(self, answer: httpx.Response) -> AddedFilm:
        film = self.get_film(answer.headers["Reeltag-Film"])
        return AddedFilm(film=film, created=answer.headers["Reeltag-Film-Created"] == "true")


def _heals(error: ReeltagError) -> bool:
    return not isinstance(error, ApiError) or error.status in HEALS
