"""A folder of films -> the library, as films arrive; and files with what was found beside them.

A file is taken once it has stopped growing; the same bytes are never analysed twice, whatever they
are called. Looks when asked and never sleeps; how often it looks is the caller's business.
"""

import hashlib
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

from app.domain.films import FilmStatus
from app.domain.library import Film
from app.errors import (
    EmptyUpload,
    FilmNotFound,
    OperationalError,
    ReeltagError,
    UserError,
    disk_errors,
)
from app.services.exports.content import Findings
from app.services.exports.formats import FORMATS
from app.services.exports.gather import gather
from app.services.exports.nfo import merge
from app.services.films import FilmService

FILM_SUFFIXES = frozenset(
    {".3gp", ".asf", ".avi", ".flv", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg",
     ".mts", ".ogv", ".ts", ".vob", ".webm", ".wmv"}
)  # fmt: skip
"""Endings of files that are taken for films; what they really are, the analysis finds out."""

READ_BYTES = 4 * 2**20

Stamp = tuple[int, int]
"""Size in bytes and time of the last change in nanoseconds: the same stamp, the same file."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to a file.

    Attributes:
        path: The film's file.
        what: ``taken``, ``known``, ``done``, ``failed``, ``written`` or ``refused``.
        detail: More of it, for people.
    """

    path: Path
    what: str
    detail: str = ""


@dataclass(slots=True)
class _Seen:
    stamp: Stamp
    since_s: float
    is_settled: bool = False
    film_id: str | None = None
    is_over: bool = False


@dataclass(slots=True)
class FolderWatch:
    """Keeps a library up to date with a folder; used by one thread.

    Attributes:
        films: The library.
        folder: Where films arrive, in folders below it too; hidden ones are left alone.
        sidecars: Formats to write beside each film once it is analysed; see `FORMATS`.
        sampling: Which frames are looked at; None takes the default.
        settle_s: A file that has not changed for so long is complete.
        clock: Seconds that never go back.
    """

    films: FilmService
    folder: Path
    sidecars: Sequence[str] = ()
    sampling: str | None = None
    settle_s: float = 5.0
    clock: Callable[[], float] = time.monotonic
    _seen: dict[Path, _Seen] = field(default_factory=dict)

    @property
    def is_idle(self) -> bool:
        """Whether all files that are there were taken and analysed."""
        return all(seen.is_over for seen in self._seen.values())

    def look(self) -> Iterator[Event]:
        """Look at the folder once: take what is complete, write what is wanted.

        Raises:
            OperationalError: The library is away; what was not done is done at the next look.
            UserError: The folder cannot be read.
        """
        found = dict(self._files())
        self._seen = {path: seen for path, seen in self._seen.items() if path in found}
        for path, stamp in sorted(found.items()):
            seen = self._seen.get(path)
            if seen is None or seen.stamp != stamp:
                self._seen[path] = _Seen(stamp, self.clock())
                continue
            if seen.is_over:
                continue
            if seen.film_id is None:
                if self.clock() - seen.since_s >= self.settle_s:
                    yield from self._take(path, seen)
            else:
                yield from self._follow(path, seen, seen.film_id)

    def _files(self) -> Iterator[tuple[Path, Stamp]]:
        try:
            if not self.folder.is_dir():
                raise UserError(f"{self.folder} is not a folder")
            for path in self.folder.rglob("*"):
                parts = path.relative_to(self.folder).parts
                if path.suffix.lower() in FILM_SUFFIXES and not any(
                    part.startswith(".") for part in parts
                ):
                    stamp = _stamp(path)
                    if stamp is not None:
                        yield path, stamp
        except OSError as exc:
            raise UserError(f"{self.folder} cannot be read: {exc.strerror}") from exc

    def _take(self, path: Path, seen: _Seen) -> Iterator[Event]:
        try:
            film = self._known(path) or self._add(path)
        except OperationalError:
            raise
        except ReeltagError as exc:
            seen.is_over = True  # until the file changes
            yield Event(path, "refused", str(exc))
            return
        except OSError as exc:
            seen.since_s = self.clock()  # perhaps it is still being copied
            yield Event(path, "refused", f"cannot be read: {exc.strerror}")
            return
        if _stamp(path) != seen.stamp:
            return  # it went on growing: the next look begins anew
        seen.film_id = film.id
        is_new = not film.status.is_final
        yield Event(path, "taken" if is_new else "known", film.id)
        yield from self._follow(path, seen, film.id)

    def _known(self, path: Path) -> Film | None:
        digest = hashlib.sha256()
        with path.open("rb") as source:
            while content := source.read(READ_BYTES):
                digest.update(content)
        return self.films.find(digest.hexdigest())

    def _add(self, path: Path) -> Film:
        incoming = self.films.incoming()
        try:
            with path.open("rb") as source:
                while content := source.read(READ_BYTES):
                    incoming.write(content)
            if incoming.size_bytes == 0:
                raise EmptyUpload("it is empty")
            return self.films.add(incoming, None, path.name, self.sampling)[0]
        finally:
            incoming.discard()

    def _follow(self, path: Path, seen: _Seen, film_id: str) -> Iterator[Event]:
        try:
            film = self.films.get(film_id)
        except FilmNotFound:
            seen.is_over = True  # deleted on purpose: it is not brought back
            return
        if not film.status.is_final:
            return
        seen.is_over = True
        if film.status is not FilmStatus.DONE:
            yield Event(path, "failed", film.error_detail or film.status.value)
            return
        yield Event(path, "done", film_id)
        if self.sidecars:
            findings = gather(self.films, film_id)
            for word in self.sidecars:
                yield from _write(path, word, findings)


def sidecar_path(film: Path, word: str) -> Path:
    """Return where the file of a format lies beside a film."""
    return film.with_name(film.stem + FORMATS[word].suffix)


def write_sidecar(target: Path, word: str, findings: Findings) -> bool:
    """Write a format to `target`, whole or not at all; an NFO is merged into one that is there.

    Returns:
        Whether the file changed.

    Raises:
        InvalidRequest: The NFO that is there cannot be understood; it was left alone.
        OperationalError: The disk is full or cannot be written.
    """
    with disk_errors():
        old = target.read_bytes() if target.exists() else None
        if word == "nfo" and old is not None:
            content = merge(old, findings)
        else:
            content = FORMATS[word].write(findings).encode("utf-8", "replace")
        if content == old:
            return False
        part = target.with_name(f".{target.name}.{uuid4().hex}.part")
        try:
            part.write_bytes(content)
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)
    return True


def _write(path: Path, word: str, findings: Findings) -> Iterator[Event]:
    target = sidecar_path(path, word)
    try:
        if write_sidecar(target, word, findings):
            yield Event(target, "written")
    except ReeltagError as exc:
        yield Event(target, "refused", str(exc))


def _stamp(path: Path) -> Stamp | None:
    """Return the stamp of a plain file, None where there is none any more."""
    try:
        found = os.stat(path)  # noqa: PTH116 - follows links, as opening the file does
    except OSError:
        return None
    return (found.st_size, found.st_mtime_ns) if path.is_file() else None
