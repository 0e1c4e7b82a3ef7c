"""Local copies of remote objects: made once, shared by their readers, few kept.

Objects never change, so a copy is as good as the object. Knows no S3: it is told how to download.
"""

import shutil
import tempfile
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from app.errors import disk_errors

IDLE_COPIES = 2
"""Copies kept while nobody reads them: a film's next stretch is read right after the last."""


@dataclass(slots=True)
class _Copy:
    path: Path
    lock: threading.Lock = field(default_factory=threading.Lock)
    readers: int = 0
    complete: bool = False
    left_at: float = 0.0


class LocalCopies:
    """Copies of objects in a folder that goes with the process; safe from any thread.

    Args:
        download: Writes the object of a key to a path, or raises.
        folder: Where the copies' folder is made; None means the system's folder.
        idle_copies: Copies kept while nobody reads them.
    """

    def __init__(
        self,
        download: Callable[[str, Path], None],
        folder: Path | None = None,
        idle_copies: int = IDLE_COPIES,
    ) -> None:
        self._download = download
        self._parent = folder
        self._idle_copies = idle_copies
        self._folder: Path | None = None
        self._copies: dict[str, _Copy] = {}
        self._lock = threading.Lock()

    @contextmanager
    def open(self, key: str) -> Iterator[Path]:
        """Give the copy of an object while the context lasts; a failed download leaves nothing."""
        copy = self._enter(key)
        try:
            with copy.lock:  # the others wait for the first one's download
                if not copy.complete:
                    try:
                        self._download(key, copy.path)
                    except BaseException:
                        copy.path.unlink(missing_ok=True)
                        raise
                    copy.complete = True
            yield copy.path
        finally:
            self._leave(key, copy)

    def close(self) -> None:
        """Delete the copies that nobody reads."""
        with self._lock:
            self._drop_idle(0)

    def _enter(self, key: str) -> _Copy:
        with self._lock:
            copy = self._copies.get(key)
            if copy is None:
                copy = self._copies[key] = _Copy(self._make_folder() / key.replace("/", "~"))
            copy.readers += 1
            return copy

    def _leave(self, key: str, copy: _Copy) -> None:
        with self._lock:
            copy.readers -= 1
            copy.left_at = time.monotonic()
            if not copy.readers and not copy.complete:
                self._copies.pop(key, None)
            self._drop_idle(self._idle_copies)

    def _drop_idle(self, kept: int) -> None:
        idle = [(copy.left_at, key) for key, copy in self._copies.items() if not copy.readers]
        for _, key in sorted(idle)[: max(0, len(idle) - kept)]:
            self._copies.pop(key).path.unlink(missing_ok=True)

    def _make_folder(self) -> Path:
        if self._folder is None:
            with disk_errors():
                if self._parent is not None:
                    self._parent.mkdir(parents=True, exist_ok=True)
                made = tempfile.mkdtemp(prefix="reeltag-copies-", dir=self._parent)
            self._folder = Path(made)
            weakref.finalize(self, shutil.rmtree, made, ignore_errors=True)
        return self._folder
