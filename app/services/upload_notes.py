"""What is written down of resumable uploads: two small files each, changed under one lock.

`<id>.part` holds the bytes, its size is the offset; `<id>.json` says what was announced and what
became of it. Several processes may share the folder: who changes an upload holds a lock on its
part, which the kernel takes back when that process dies. Knows neither HTTP nor films.
"""

import fcntl
import json
import os
import re
import time
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from app.errors import UploadLocked, UploadNotFound, disk_errors
from app.services.uploads import SUFFIX

FOLDER = "resumable"
"""Folder within the one of films on their way in; `sweep_incoming` does not look into it."""

NOTE_SUFFIX = ".json"

ORPHAN_AGE_S = 24 * 3600.0
"""After this time a file goes whose note is missing or cannot be read."""

_ID = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class Upload:
    """One upload as it stands.

    Attributes:
        id: Cannot be guessed.
        length: Bytes of the whole film.
        title: Shown name, where one was given.
        filename: Name of the file, where one was given.
        sampling: Which frames shall be looked at, where that was given.
        metadata: What came along, in the caller's own spelling.
        expires_s: Seconds without a change after which it is forgotten.
        unverified_from: Bytes from here on wait for their checksum and do not count yet.
        film_id: What it became; None: unfinished.
        is_new: Whether that film was new.
        key_id: The API key that announced it; None: none was needed.
        offset: Bytes that have arrived.
        expires_at: When it is forgotten, seconds since the epoch.
    """

    id: str
    length: int
    title: str | None = None
    filename: str | None = None
    sampling: str | None = None
    metadata: str = ""
    expires_s: float = ORPHAN_AGE_S
    unverified_from: int | None = None
    film_id: str | None = None
    is_new: bool = False
    key_id: str | None = None
    offset: int = 0
    expires_at: float = 0.0


class UploadFolder:
    """Where the uploads are; keeps nothing in memory.

    Args:
        incoming: Folder of films on their way in.
    """

    def __init__(self, incoming: Path) -> None:
        self.path = incoming / FOLDER

    def find(self, upload_id: str) -> Upload:
        """Return how an upload stands.

        Raises:
            UploadNotFound: There is none of this id, or it was forgotten.
        """
        missing = UploadNotFound("there is no such upload, or it has expired")
        if not _ID.fullmatch(upload_id):
            raise missing
        # The part is looked at first: it goes after the note tells of the film.
        part = stat_of(self.part(upload_id))
        note = stat_of(self.note(upload_id))
        upload = _read_note(self.note(upload_id))
        if note is None or upload is None or (part is None and upload.film_id is None):
            raise missing
        changed = note.st_mtime if part is None else max(note.st_mtime, part.st_mtime)
        if changed + upload.expires_s < time.time():
            raise missing
        offset = upload.length
        if part is not None and upload.film_id is None:
            verified = upload.unverified_from
            offset = part.st_size if verified is None else min(part.st_size, verified)
        return replace(upload, offset=offset, expires_at=changed + upload.expires_s)

    def promised_bytes(self, key_id: str) -> int:
        """Return the length of all unfinished uploads that a key announced and may go on with."""
        found = (_read_note(path) for path in self.path.glob(f"*{NOTE_SUFFIX}"))
        mine = [one for one in found if one and one.key_id == key_id and one.film_id is None]
        total = 0
        for upload in mine:
            with suppress(UploadNotFound):
                total += self.find(upload.id).length
        return total

    def part(self, upload_id: str) -> Path:
        """Return where the bytes are."""
        return self.path / f"{upload_id}{SUFFIX}"

    def note(self, upload_id: str) -> Path:
        """Return where the upload is described."""
        return self.path / f"{upload_id}{NOTE_SUFFIX}"

    def write_note(self, upload: Upload) -> None:
        """Store what is known of an upload, all or nothing; only for who holds its lock."""
        kept = asdict(upload)
        del kept["offset"], kept["expires_at"]
        staged = self.path / f"{upload.id}.new"
        with disk_errors():
            with staged.open("w", encoding="utf-8") as file:
                json.dump(kept, file)
                file.flush()
                os.fsync(file.fileno())
            staged.replace(self.note(upload.id))


def sweep_resumable(incoming: Path) -> int:
    """Delete uploads that nobody continued in time; return how many files went."""
    folder, swept = incoming / FOLDER, 0
    for upload_id in {path.name.partition(".")[0] for path in folder.glob("*.*")}:
        files = [path for path in folder.glob(f"{upload_id}.*") if stat_of(path) is not None]
        upload = _read_note(folder / f"{upload_id}{NOTE_SUFFIX}")
        changed = max((stat.st_mtime for path in files if (stat := stat_of(path))), default=0.0)
        if changed + (ORPHAN_AGE_S if upload is None else upload.expires_s) > time.time():
            continue
        with ExitStack() as held:
            try:
                part = held.enter_context((folder / f"{upload_id}{SUFFIX}").open("rb"))
                lock(part.fileno())
            except FileNotFoundError:
                pass  # it became a film long ago
            except UploadLocked:
                continue  # bytes flow slowly, but they flow
            for path in files:
                path.unlink(missing_ok=True)
        swept += len(files)
    return swept


def lock(descriptor: int) -> None:
    """Lock an open part until it is closed.

    Raises:
        UploadLocked: Somebody else holds it, here or in another process.
    """
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise UploadLocked("another request is sending bytes of this upload") from None


def stat_of(path: Path) -> os.stat_result | None:
    """Return a file's size and times, None where there is none."""
    try:
        return path.stat()
    except FileNotFoundError:
        return None


def _read_note(path: Path) -> Upload | None:
    try:
        return Upload(**json.loads(path.read_bytes()))
    except (FileNotFoundError, ValueError, TypeError):
        return None
