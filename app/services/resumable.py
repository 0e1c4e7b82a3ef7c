"""Uploads that survive a broken connection and a killed service, and become films in the end.

Knows no HTTP and, of films, only the door through which every film comes in. `upload_notes` says
how an upload lies on the disk.
"""

import hashlib
import os
import shutil
import uuid
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from app.domain.library import Film
from app.errors import (
    ChecksumMismatch,
    DiskFull,
    EmptyUpload,
    InvalidRequest,
    OffsetMismatch,
    UploadNotFound,
    UploadTooLarge,
    disk_errors,
)
from app.services.upload_notes import ORPHAN_AGE_S, Upload, UploadFolder, lock, stat_of
from app.services.uploads import IncomingFile

ALGORITHMS = ("sha1", "sha256")
"""Hashes with which a part can be checked on arrival."""

READ_BYTES = 2**20


class FilmTaker(Protocol):
    """Who makes a film of what has arrived: the film service."""

    def add(
        self, incoming: IncomingFile, title: str | None, filename: str | None, sampling: str | None
    ) -> tuple[Film, bool]:
        """Take the film; return it and whether it is new."""
        ...


class ArrivedFile(IncomingFile):
    """A complete upload under a second name, hashed by one read; the first name stays.

    Raises:
        StorageUnavailable: It cannot be read.
    """

    def __init__(self, folder: Path, source: Path) -> None:
        super().__init__(folder)
        self.discard()
        with disk_errors():
            try:
                self.path.hardlink_to(source)
            except OSError:
                shutil.copyfile(source, self.path)  # a disk without links
            self._stream = self.path.open("rb", buffering=0)
            while content := self._stream.read(READ_BYTES):
                self._hash.update(content)
                self._size_bytes += len(content)


class ResumableUploads(UploadFolder):
    """All uploads of one folder; keeps nothing in memory.

    Args:
        incoming: Folder of films on their way in; several processes may share it.
        films: Takes what is complete.
        max_bytes: Largest film that is taken; None means any.
        expires_s: Seconds without a change after which an upload is forgotten.
    """

    def __init__(
        self,
        incoming: Path,
        films: FilmTaker,
        *,
        max_bytes: int | None = None,
        expires_s: float = ORPHAN_AGE_S,
    ) -> None:
        super().__init__(incoming)
        self.incoming = incoming
        self.films = films
        self._max_bytes = max_bytes
        self._expires_s = expires_s

    def create(
        self,
        length: int,
        *,
        title: str | None = None,
        filename: str | None = None,
        sampling: str | None = None,
        metadata: str = "",
        key_id: str | None = None,
    ) -> Upload:
        """Announce a film of `length` bytes.

        Raises:
            EmptyUpload: It has no byte.
            UploadTooLarge: It is larger than allowed.
            DiskFull: There is no space for it now.
        """
        if length == 0:
            raise EmptyUpload("a film has at least one byte")
        if self._max_bytes is not None and length > self._max_bytes:
            raise UploadTooLarge(f"films of at most {self._max_bytes} bytes are taken")
        upload = Upload(
            uuid.uuid4().hex, length, title, filename, sampling, metadata, self._expires_s,
            key_id=key_id,
        )  # fmt: skip
        with disk_errors():
            self.path.mkdir(parents=True, exist_ok=True)
            free_bytes = shutil.disk_usage(self.path).free
            if free_bytes < length:
                raise DiskFull(f"{free_bytes} bytes are free, the film has {length}")
            self.write_note(upload)
            self.part(upload.id).touch(exist_ok=False)
        return self.find(upload.id)

    def open(self, upload_id: str) -> "Appending":
        """Lock an unfinished upload for appending; a context manager.

        Raises:
            UploadNotFound: There is none of this id, or it is finished.
            UploadLocked: Somebody else appends to it.
        """
        return Appending(self, upload_id)

    def delete(self, upload_id: str) -> None:
        """Forget an upload; a film that it became stays.

        Raises:
            UploadNotFound: There is none of this id.
            UploadLocked: Somebody appends to it.
        """
        if self.find(upload_id).film_id is None:
            with self.open(upload_id):
                self.part(upload_id).unlink(missing_ok=True)
        self.note(upload_id).unlink(missing_ok=True)


class Appending:
    """The right to change one upload, until it is closed; used by one thread at a time."""

    def __init__(self, uploads: ResumableUploads, upload_id: str) -> None:
        self._uploads = uploads
        self._digest: hashlib._Hash | None = None
        self._wanted = b""
        uploads.find(upload_id)
        path = uploads.part(upload_id)
        try:
            self._file = path.open("r+b", buffering=0)
        except FileNotFoundError:
            raise UploadNotFound("the upload is finished or was deleted") from None
        try:
            lock(self._file.fileno())
            here = stat_of(path)
            if here is None or here.st_ino != os.fstat(self._file.fileno()).st_ino:
                raise UploadNotFound("the upload was finished or deleted just now")
            self.upload = uploads.find(upload_id)
            if self.upload.unverified_from is not None:
                self._drop_unverified()
            self._file.seek(self.upload.offset)
        except BaseException:
            self._file.close()
            raise

    def begin(self, offset: int, algorithm: str = "", digest: bytes = b"") -> None:
        """Say where the next bytes belong, and what their hash will be.

        Raises:
            OffsetMismatch: Another byte is the next one.
            InvalidRequest: The hash is of an unknown kind.
        """
        if offset != self.upload.offset:
            raise OffsetMismatch(f"{self.upload.offset} bytes are here, not {offset}")
        if algorithm:
            if algorithm not in ALGORITHMS:
                raise InvalidRequest(f"checksums are {' or '.join(ALGORITHMS)}, not {algorithm}")
            self._digest, self._wanted = hashlib.new(algorithm, usedforsecurity=False), digest
            self._note(unverified_from=offset)

    def write(self, content: bytes) -> None:
        """Append what arrived.

        Raises:
            UploadTooLarge: It is more than was announced; what came before is kept.
            DiskFull: No space is left; what came before is kept.
        """
        if self.upload.offset + len(content) > self.upload.length:
            raise UploadTooLarge(f"the upload was announced with {self.upload.length} bytes")
        rest = memoryview(content)
        with disk_errors():
            while rest:
                rest = rest[self._file.write(rest) :]
        if self._digest is not None:
            self._digest.update(content)
        self.upload = replace(self.upload, offset=self.upload.offset + len(content))

    def end(self) -> None:
        """Make what was written durable, unless its hash is not the one that was announced.

        Raises:
            ChecksumMismatch: These bytes do not count; they are to be sent again.
        """
        with disk_errors():
            os.fsync(self._file.fileno())
        if self._digest is not None:
            if self._digest.digest() != self._wanted:
                self._drop_unverified()
                raise ChecksumMismatch("the bytes that arrived have another hash")
            self._note(unverified_from=None)

    def finish(self) -> None:
        """Make a film of a complete upload; do nothing where bytes are missing.

        May be done again after a crash in its middle: the same bytes are the same film.

        Raises:
            ReeltagError: The film was not taken; the upload stays and this can be tried again.
        """
        upload = self.upload
        if upload.film_id is not None or upload.offset < upload.length:
            return
        part = self._uploads.part(upload.id)
        with ArrivedFile(self._uploads.incoming, part) as arrived:
            arrived.key_id = upload.key_id
            film, is_new = self._uploads.films.add(
                arrived, upload.title, upload.filename, upload.sampling
            )
        self._note(film_id=film.id, is_new=is_new)
        part.unlink(missing_ok=True)

    def close(self) -> None:
        """Let others append; harmless when done again."""
        self._file.close()

    def _note(self, **changes: int | str | None) -> None:
        self.upload = replace(self.upload, **changes)  # type: ignore[arg-type]
        self._uploads.write_note(self.upload)

    def _drop_unverified(self) -> None:
        kept = self.upload.unverified_from or 0
        with disk_errors():
            self._file.truncate(kept)
            self._file.seek(kept)
        self._note(unverified_from=None, offset=kept)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
