"""Calls a web application in this process, without a socket, and stand-ins for its services."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
from fastapi import FastAPI

from app.config import Settings
from app.domain.films import FilmStatus, Stage
from app.domain.library import Film, FilmQuery, FrameSort, FrameView, Page, Verdict
from app.domain.segments import SegmentRules
from app.domain.shots import Shot
from app.domain.tags import FilmTag, Segment, TagScore
from app.errors import DatabaseUnavailable, FilmNotFound, FrameNotFound
from app.services.uploads import IncomingFile
from tests.fakes import make_manifest

JPEG = b"\xff\xd8\xff\xe0 a drawn picture \xff\xd9"


class AppClient:
    """Sends requests to an application; errors become answers, as behind a real server."""

    def __init__(self, app: FastAPI) -> None:
        self.app = app

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Send one request and read the whole answer."""

        async def send() -> httpx.Response:
            transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
            base = "http://localhost"
            async with httpx.AsyncClient(transport=transport, base_url=base) as client:
                return await client.request(method, path, **options)

        return asyncio.run(send())

    def get(self, path: str, **options: Any) -> httpx.Response:
        """Read."""
        return self.request("GET", path, **options)

    def post(self, path: str, **options: Any) -> httpx.Response:
        """Send."""
        return self.request("POST", path, **options)


async def pieces(content: Iterable[bytes]) -> AsyncIterator[bytes]:
    """Give `content` piece by piece, as a connection does."""
    for piece in content:
        yield piece


def make_film(number: int = 1, **changes: Any) -> Film:
    """A film that waits for its analysis."""
    moment = datetime(2026, 11, 23, 12, 0, number % 60, tzinfo=UTC)
    film = Film(
        id=f"{number:032x}", sha256=f"{number:064x}", title=f"Film {number}",
        filename=f"{number}.mp4", size_bytes=1000, source_key=f"films/{number}/source",
        sampling="shots", status=FilmStatus.QUEUED, stage=Stage.QUEUED, progress=0.0, run=1,
        shown_run=None, model_version=None, base_id=None, duration_s=None, width_px=None,
        height_px=None, frame_rate=None, codec=None, container=None, error_code=None,
        error_detail=None, warnings=(), created_at=moment, updated_at=moment, analysed_at=None,
    )  # fmt: skip
    return replace(film, **changes)


@dataclass
class FakeFilms:
    """Keeps films in memory and records what it was asked."""

    folder: Path
    films: dict[str, Film] = field(default_factory=dict)
    asked: list[tuple[Any, ...]] = field(default_factory=list)
    max_bytes: int | None = None
    numbers: Iterable[int] = field(default_factory=lambda: itertools.count(1))

    def incoming(self) -> IncomingFile:
        return IncomingFile(self.folder, self.max_bytes)

    def add(
        self, incoming: IncomingFile, title: str | None, filename: str | None, sampling: str | None
    ) -> tuple[Film, bool]:
        self.asked.append(("add", title, filename, sampling, incoming.path.read_bytes()))
        for film in self.films.values():
            if film.sha256 == incoming.sha256:
                return film, False
        film = make_film(
            next(iter(self.numbers)), title=title or filename or "Untitled",
            filename=filename or "", sha256=incoming.sha256, size_bytes=incoming.size_bytes,
        )  # fmt: skip
        self.films[film.id] = film
        return film, True

    def get(self, film_id: str) -> Film:
        if film_id not in self.films:
            raise FilmNotFound(f"no film has the id {film_id}")
        return self.films[film_id]

    def counts(self) -> dict[FilmStatus, int]:
        return {FilmStatus.QUEUED: len(self.films)}

    def cancel(self, film_id: str) -> Film:
        film = replace(self.get(film_id), status=FilmStatus.CANCELLED)
        self.films[film_id] = film
        return film

    def retag(self, film_id: str, sampling: str | None) -> Film:
        self.asked.append(("retag", film_id, sampling))
        return self.get(film_id)

    def delete(self, film_id: str) -> None:
        self.get(film_id)
        del self.films[film_id]

    def tags(
        self,
        film_id: str,
        min_score: float = 0.0,
        limit: int | None = None,
        top_k: int | None = None,
    ) -> list[FilmTag]:
        self.asked.append(("tags", film_id, min_score, limit, top_k))
        self.get(film_id)
        return [FilmTag("Beach/Sea", 0.5, 12.0, 3, 4.0), FilmTag("War", 0.25, 6.0, 1, 0.0)]

    def segments(self, film_id: str, tags: list[str] | None, rules: SegmentRules) -> list[Segment]:
        self.asked.append(("segments", film_id, tags, rules))
        self.get(film_id)
        return [Segment("Beach/Sea", 4.0, 16.0, 0.75)]

    def frames(
        self,
        film_id: str,
        tag: str | None,
        cursor: str | None,
        limit: int,
        top_k: int,
        sort: FrameSort = "time_s",
    ) -> Page[FrameView]:
        """Three frames, two to a page."""
        self.asked.append(("frames", film_id, tag, cursor, limit, top_k, sort))
        self.get(film_id)
        frames = tuple(
            FrameView(n, n + 0.5, Shot(float(n), n + 1.0), (TagScore("War", 0.25),))
            for n in range(3)
        )
        return Page(frames[2:]) if cursor == "more" else Page(frames[:2], "more")

    def frame_image(self, film_id: str, n: int) -> bytes:
        self.get(film_id)
        if n != 0:
            raise FrameNotFound(f"the film has no key frame {n}")
        return JPEG

    def set_verdict(self, film_id: str, tag: str, verdict: Verdict) -> list[FilmTag]:
        self.asked.append(("verdict", film_id, tag, verdict))
        return [FilmTag(tag, 1.0, 0.0, 0, None, "human")]


class FakeSearch:
    """Returns every film, whatever is asked, and remembers the question."""

    def __init__(self, films: FakeFilms) -> None:
        self._films = films

    def films(self, query: FilmQuery, cursor: str | None, limit: int) -> Page[Film]:
        self._films.asked.append(("search", query, cursor, limit))
        return Page(tuple(self._films.films.values()), "next")

    def tag_counts(self, query: FilmQuery | None = None) -> dict[str, int]:
        self._films.asked.append(("counts", query))
        return {"War": 7}


class FakePictures:
    """Answers every wish with the same picture and remembers it."""

    def __init__(self, films: FakeFilms) -> None:
        self._films = films

    def explanation(self, film_id: str, n: int, tag: str) -> bytes:
        self._films.asked.append(("explanation", film_id, n, tag))
        return self._films.frame_image(film_id, n)

    def contact_sheet(self, film_id: str, tag: str | None, columns: int, limit: int) -> bytes:
        self._films.asked.append(("sheet", film_id, tag, columns, limit))
        self._films.get(film_id)
        return JPEG


class Door:
    """Storage, queue or database of which only the checks are asked."""

    def __init__(self) -> None:
        self.is_away = False

    def check(self) -> None:
        if self.is_away:
            raise DatabaseUnavailable("nobody answers")

    def is_current(self) -> bool:
        self.check()
        return True

    def dispose(self) -> None:
        pass


def fake_services(folder: Path, **settings: Any) -> Any:
    """Services that keep everything in memory; the current model is that of `tests.fakes`."""
    films = FakeFilms(folder, max_bytes=settings.get("max_upload_bytes"))
    return SimpleNamespace(
        films=films,
        search=FakeSearch(films),
        models=SimpleNamespace(list=lambda: []),
        storage=Door(),
        database=Door(),
        jobs=Door(),
        settings=Settings(data_dir=folder, **settings),
        pictures=FakePictures(films),
        current_model=make_manifest,
    )
