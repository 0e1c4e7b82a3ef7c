"""Stand-ins in memory for the storage and the job queue, and rows to fill a library with."""

import io
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from app.db import films, frames
from app.db.session import Database
from app.domain.library import ChunkRecord, Film, ModelRecord, NewFilm, thumbnail_key
from app.domain.plan import Wish
from app.domain.shots import ScoredFrame, ScoredShot, Shot
from app.domain.tags import FilmTag, Segment
from app.errors import ArtifactError, DatabaseUnavailable, NotFound, OperationalError
from app.ports import Explainer
from app.storage.keys import checked, checked_prefix
from tests.fakes import TAGS


class MemoryStorage:
    """A `ports.ObjectStore` that passes the contract tests of the real ones.

    Attributes:
        failure: Raised by everything while it is set, as if the storage were away.
    """

    def __init__(self) -> None:
        self.failure: OperationalError | None = None
        self._objects: dict[str, tuple[bytes, float]] = {}
        self._lock = threading.Lock()

    def put_file(self, key: str, path: Path) -> None:
        self.put_bytes(key, path.read_bytes())
        path.unlink()

    def put_bytes(self, key: str, content: bytes) -> None:
        self.check()
        with self._lock:
            self._objects[checked(key)] = (bytes(content), time.time())

    def get_bytes(self, key: str) -> bytes:
        self.check()
        try:
            return self._objects[checked(key)][0]
        except KeyError:
            raise NotFound(f"nothing is stored at {key}") from None

    @contextmanager
    def open(self, key: str, start: int = 0, length: int | None = None) -> Iterator[BinaryIO]:
        content = self.get_bytes(key)
        end = None if length is None else start + length
        yield io.BytesIO(content[start:end])

    def size(self, key: str) -> int | None:
        self.check()
        found = self._objects.get(checked(key))
        return None if found is None else len(found[0])

    @contextmanager
    def local_file(self, key: str) -> Iterator[Path]:
        content = self.get_bytes(key)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "object"
            path.write_bytes(content)
            yield path

    def delete_prefix(self, prefix: str) -> int:
        self.check()
        checked_prefix(prefix)
        with self._lock:
            gone = [key for key in self._objects if key.startswith(prefix)]
            for key in gone:
                del self._objects[key]
        return len(gone)

    def keys(self, prefix: str) -> Iterator[tuple[str, float]]:
        self.check()
        checked_prefix(prefix)
        for key in sorted(self._objects):
            if key.startswith(prefix):
                yield key, self._objects[key][1]

    def check(self) -> None:
        if self.failure is not None:
            raise self.failure

    def age(self, seconds: float) -> None:
        """Make everything older."""
        self._objects = {
            key: (content, stored - seconds) for key, (content, stored) in self._objects.items()
        }


class MemoryQueue:
    """A `ports.JobQueue` that remembers what was asked; a rolled back job is remembered too.

    Attributes:
        queued: Runs in the order they came.
        wishes: How each of them is to look at its film.
        cancelled: Runs that were taken out.
        failure: Raised by everything while it is set.
    """

    def __init__(self) -> None:
        self.queued: list[tuple[str, int]] = []
        self.wishes: dict[tuple[str, int], Wish] = {}
        self.cancelled: list[tuple[str, int]] = []
        self.failure: DatabaseUnavailable | None = None

    def enqueue(self, session: Any, film_id: str, run: int, wish: Wish = Wish.DECODE) -> None:
        self.check()
        self.wishes[(film_id, run)] = wish
        self.queued.append((film_id, run))

    def cancel(self, film_id: str, run: int) -> None:
        self.check()
        self.cancelled.append((film_id, run))

    def check(self) -> None:
        if self.failure is not None:
            raise self.failure


def no_network(record: ModelRecord) -> Explainer:
    """A loader on a machine where the artifact of no model is whole."""
    raise ArtifactError(f"{record.path}: no such directory")


def store_film(database: Database, sha256: str | None = None, title: str = "A film") -> Film:
    """A film in its first run."""
    film_id = films.new_film_id()
    new = NewFilm(film_id, sha256 or film_id * 2, title, "a.mp4", 1000, "shots")
    with database.session(write=True) as session:
        film = films.insert_film(session, new)
    assert film is not None
    return film


def scored_shots(
    rows: Sequence[Sequence[float]], start_s: float = 0.0, shot_s: float = 2.0
) -> list[ScoredShot]:
    """One shot of `shot_s` seconds with one key frame for each score row."""
    return [
        ScoredShot(
            Shot(start_s + place * shot_s, start_s + (place + 1) * shot_s),
            (ScoredFrame(start_s + (place + 0.5) * shot_s, np.array(row, np.float32),
                         np.zeros(4, np.float16), b"jpeg"),),
        )
        for place, row in enumerate(rows)
    ]  # fmt: skip


def chunk_record(chunk: int = 0, **changes: Any) -> ChunkRecord:
    """How reading ten seconds of film went."""
    fields: dict[str, Any] = {
        "chunk": chunk, "start_s": chunk * 10.0, "end_s": chunk * 10.0 + 10,
        "read_end_s": chunk * 10.0 + 10, "frame_count": 250, "corrupt_count": 0, "warnings": (),
        "executor_id": "worker-1",
    }  # fmt: skip
    return ChunkRecord(**(fields | changes))


def store_shots(
    database: Database, film: Film, shots: Sequence[ScoredShot], chunk: int = 0, **changes: Any
) -> bool:
    """Store a chunk as a worker does."""
    count = sum(len(shot.frames) for shot in shots)
    keys = [thumbnail_key(film.id, film.run, chunk, place) for place in range(count)]
    with database.session(write=True) as session:
        record = chunk_record(chunk, **changes)
        return frames.store_chunk(session, film.id, film.run, record, shots, keys)


def finish(
    database: Database,
    film: Film,
    tags: Sequence[FilmTag] = (),
    model_version: str = "fake-1",
    segments: Sequence[Segment] = (),
    mean_features: NDArray[np.float32] | None = None,
    base_id: str = "0123456789abcdef",
) -> bool:
    """Show a run as a worker does."""
    with database.session(write=True) as session:
        return frames.finish_run(
            session, film.id, film.run, model_version, base_id, tags, segments, mean_features
        )


def row(**scores: float) -> list[float]:
    """A score row in the order of `fakes.TAGS`; tags that are not named score 0."""
    return [scores.get(tag.replace("/", "_"), 0.0) for tag in TAGS]
