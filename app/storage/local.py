"""Objects as files in a folder of the local disk.

An object appears whole or not at all and is on the disk when the call returns: the file is synced,
renamed into place, and the folder synced. Knows no film.
"""

import os
import shutil
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from app.errors import NotFound, disk_errors
from app.storage.keys import checked, checked_prefix
from app.storage.streams import First

WORK_FOLDER = ".work"
"""Half-written files; keys never begin with a dot."""

STALE_S = 24 * 3600.0
"""A half-written file of this age was left by a process that is gone."""

COPY_BYTES = 1 << 20
"""Read at once while copying between disks."""


class LocalStorage:
    """An `app.ports.ObjectStore` over the folder `root`, which is made where it is missing."""

    def __init__(self, root: Path) -> None:
        self._root = root.absolute()
        self._work = self._root / WORK_FOLDER
        with disk_errors():
            self._work.mkdir(parents=True, exist_ok=True)
            _sweep(self._work)

    def put_file(self, key: str, path: Path) -> None:
        """Move the file at `path` to `key`, or copy it from another disk; durable on return."""
        target = self._path(key)
        with disk_errors():
            if path.stat().st_dev != self._work.stat().st_dev:
                staged = self._staged()
                try:
                    with path.open("rb") as source, staged.open("xb") as stream:
                        shutil.copyfileobj(source, stream, COPY_BYTES)
                    self._place(staged, target)
                finally:
                    staged.unlink(missing_ok=True)
                path.unlink()
            else:
                os.utime(path)  # the time it was stored, not the time it was made
                self._place(path, target)

    def put_bytes(self, key: str, content: bytes) -> None:
        """Store `content` at `key`; durable on return."""
        target = self._path(key)
        staged = self._staged()
        with disk_errors():
            try:
                staged.write_bytes(content)
                self._place(staged, target)
            finally:
                staged.unlink(missing_ok=True)

    def get_bytes(self, key: str) -> bytes:
        """Return the object at `key`.

        Raises:
            NotFound: Nothing is stored there.
        """
        with self.open(key) as stream:
            return stream.read()

    @contextmanager
    def open(self, key: str, start: int = 0, length: int | None = None) -> Iterator[BinaryIO]:
        """Open the object at `key` for reading, from byte `start`, at most `length` bytes.

        Raises:
            NotFound: Nothing is stored there.
        """
        path = self._path(key)
        with disk_errors():
            try:
                stream = path.open("rb")
            except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
                raise NotFound(f"nothing is stored at {key}") from None
            stream.seek(start)
        with stream:
            yield stream if length is None else cast("BinaryIO", First(stream, length))

    def size(self, key: str) -> int | None:
        """Return the bytes of the object at `key`, None where nothing is stored."""
        path = self._path(key)
        with disk_errors():
            return path.stat().st_size if path.is_file() else None

    @contextmanager
    def local_file(self, key: str) -> Iterator[Path]:
        """Give the object's own file; it must not be changed.

        Raises:
            NotFound: Nothing is stored there.
        """
        if self.size(key) is None:
            raise NotFound(f"nothing is stored at {key}")
        yield self._path(key)

    def delete_prefix(self, prefix: str) -> int:
        """Delete every object whose key starts with `prefix`; return how many."""
        folder = self._root / checked_prefix(prefix)[:-1]
        deleted = 0
        with disk_errors():
            for at, folders, files in os.walk(folder, topdown=False):
                for name in files:
                    (Path(at) / name).unlink(missing_ok=True)
                    deleted += 1
                for name in folders:
                    _remove_empty(Path(at) / name)
            _remove_empty(folder)
        return deleted

    def keys(self, prefix: str) -> Iterator[tuple[str, float]]:
        """List keys under `prefix` with the time they were stored, seconds since the epoch."""
        folder = self._root / checked_prefix(prefix)[:-1]
        with disk_errors():
            for at, folders, files in os.walk(folder):
                folders.sort()
                for name in sorted(files):
                    path = Path(at) / name
                    try:
                        stored = path.stat().st_mtime
                    except FileNotFoundError:
                        continue  # deleted meanwhile
                    yield path.relative_to(self._root).as_posix(), stored

    def check(self) -> None:
        """Raise `StorageUnavailable` or `DiskFull` where nothing can be stored now."""
        probe = self._staged()
        with disk_errors():
            try:
                probe.write_bytes(b"reeltag")
            finally:
                probe.unlink(missing_ok=True)

    def _path(self, key: str) -> Path:
        return self._root / checked(key)

    def _staged(self) -> Path:
        return self._work / uuid.uuid4().hex

    def _place(self, staged: Path, target: Path) -> None:
        """Sync, rename, sync the folder: after a power cut the object is whole or not there."""
        _sync(staged)
        while True:
            _make_folders(target.parent)
            try:
                staged.replace(target)
            except FileNotFoundError:
                if not staged.exists():
                    raise
                continue  # a deletion took the empty folder away meanwhile
            break
        _sync(target.parent)


def _sweep(work: Path) -> None:
    for file in work.iterdir():
        try:
            if time.time() - file.stat().st_mtime > STALE_S:
                file.unlink()
        except FileNotFoundError:
            continue  # another process swept it


def _make_folders(folder: Path) -> None:
    """Make a folder and its parents, each entry synced: a synced file in a lost folder is lost."""
    if folder.is_dir():
        return
    _make_folders(folder.parent)
    folder.mkdir(exist_ok=True)
    _sync(folder.parent)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove_empty(folder: Path) -> None:
    try:
        folder.rmdir()
    except FileNotFoundError:
        return
    except OSError:
        if not any(folder.iterdir()):
            raise  # not because something arrived meanwhile
