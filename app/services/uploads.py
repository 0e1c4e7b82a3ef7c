"""A film on its way in: bytes to a file beside the storage, counted and hashed as they come.

Knows neither HTTP nor the library; `services.films` turns the finished file into a film.
"""

import hashlib
import os
import time
import uuid
from pathlib import Path
from types import TracebackType
from typing import Self

from app.errors import UploadTooLarge, disk_errors

SUFFIX = ".part"
"""Names of unfinished files end so."""


class IncomingFile:
    """A file that grows with what arrives; used by one thread at a time.

    Memory does not grow with the file. Unless `services.films` took it, it is gone after `discard`.

    Args:
        folder: Where it lies meanwhile; best on the disk of the storage, so it need not be copied.
        max_bytes: Largest film that is taken; None means any.

    Attributes:
        key_id: The API key that sends it; None: none was needed.

    Raises:
        DiskFull: No space is left.
        StorageUnavailable: The folder cannot be written.
    """

    def __init__(self, folder: Path, max_bytes: int | None = None) -> None:
        self.path = folder / f"{uuid.uuid4().hex}{SUFFIX}"
        self.key_id: str | None = None
        self._max_bytes = max_bytes
        self._size_bytes = 0
        self._hash = hashlib.sha256()
        with disk_errors():
            folder.mkdir(parents=True, exist_ok=True)
            self._stream = self.path.open("xb", buffering=0)

    @property
    def size_bytes(self) -> int:
        """Bytes that have arrived."""
        return self._size_bytes

    @property
    def sha256(self) -> str:
        """Hash of what has arrived, in hexadecimal."""
        return self._hash.hexdigest()

    def write(self, content: bytes | bytearray | memoryview) -> None:
        """Append what arrived.

        Raises:
            UploadTooLarge: More than `max_bytes` arrived. The file is still there to be discarded.
            DiskFull: No space is left. The file is still there to be discarded.
        """
        self._size_bytes += len(content)
        if self._max_bytes is not None and self._size_bytes > self._max_bytes:
            raise UploadTooLarge(f"films of at most {self._max_bytes} bytes are taken")
        self._hash.update(content)
        rest = memoryview(content)
        with disk_errors():
            while rest:
                rest = rest[self._stream.write(rest) :]

    def close(self) -> None:
        """Say that all has arrived; the file stays. Calling it again is harmless."""
        if not self._stream.closed:
            with disk_errors():
                os.fsync(self._stream.fileno())
                self._stream.close()

    def discard(self) -> None:
        """Delete the file, where it is still there; harmless after it became a film."""
        self._stream.close()
        with disk_errors():
            self.path.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.discard()


def sweep_incoming(folder: Path, older_than_s: float) -> int:
    """Delete what uploads left behind that ended in the middle long ago; return how many files."""
    swept = 0
    for file in folder.glob(f"*{SUFFIX}"):
        try:
            if time.time() - file.stat().st_mtime > older_than_s:
                file.unlink()
                swept += 1
        except FileNotFoundError:
            continue  # another process swept it
    return swept
