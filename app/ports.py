"""The doors of the service: Protocols that have more than one implementation.

Says what the pipeline and the services may ask for; not who answers. `bootstrap` decides that.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import numpy as np
from numpy.typing import NDArray

from app.domain.films import FilmProbe, Sampling
from app.domain.plan import Wish
from app.domain.shots import ShotFrames, Span
from models.manifest import Manifest


@dataclass(frozen=True, slots=True)
class FrameScores:
    """What a network says of a batch.

    Attributes:
        scores: `(n, tags)` float32 in [0, 1], in the order of the manifest's `tags`.
        features: `(n, feature_size)` float16, the penultimate layer.
    """

    scores: NDArray[np.float32]
    features: NDArray[np.float16]


class Engine(Protocol):
    """Runs the network of one artifact on one batch; used by one thread at a time."""

    @property
    def manifest(self) -> Manifest:
        """What the loaded model says of itself."""
        ...

    @property
    def device(self) -> str:
        """What it runs on, for logs: ``openvino:CPU:bf16``, ``tensorflow:GPU:0`` ..."""
        ...

    def infer(self, inputs: NDArray[np.uint8]) -> FrameScores:
        """Run one batch, `(n, height, width, 3)` uint8 RGB, made by the manifest's recipe."""
        ...

    def score_features(self, features: NDArray[np.float16]) -> NDArray[np.float32]:
        """Run what stands behind the features only; may run beside `infer`, not beside itself.

        Args:
            features: `(n, feature_size)` float16, as an engine with the same base gave them.

        Returns:
            `(n, tags)` float32 in [0, 1]: what `infer` says of the pictures, but for the rounding
            of the features and of a shorter arithmetic.
        """
        ...


class FrameClassifier(Protocol):
    """Scores pictures for many films at once; safe from any thread."""

    @property
    def manifest(self) -> Manifest:
        """What the loaded model says of itself."""
        ...

    def submit(self, inputs: NDArray[np.uint8]) -> Future[FrameScores]:
        """Queue `(n, height, width, 3)` uint8 RGB inputs; the result has `n` rows in order."""
        ...

    def score_features(self, features: NDArray[np.float16]) -> NDArray[np.float32]:
        """Score stored features at once, no picture needed; as `Engine.score_features`."""
        ...

    def close(self) -> None:
        """Finish what was submitted, take nothing more and let the network go."""
        ...


class Explainer(Protocol):
    """Tells what of a picture speaks for a tag; safe from any thread."""

    @property
    def manifest(self) -> Manifest:
        """What the loaded model says of itself."""
        ...

    def explain(self, picture: NDArray[np.uint8], tag: str) -> NDArray[np.float32]:
        """Look at a picture once more, for one tag.

        Args:
            picture: `(height, width, 3)` uint8 RGB, of any size.
            tag: A tag that the model was trained on.

        Returns:
            `(height, width)` float32 of the picture's size, in [0, 1]: 1 where most speaks for
            the tag, all 0 where nothing does.

        Raises:
            KeyError: The model was not trained on the tag.
        """
        ...


@dataclass(slots=True)
class ReadReport:
    """How reading a film went; complete once the shots are all read.

    Attributes:
        frame_count: Frames decoded.
        corrupt_count: Frames that were damaged and left out.
        end_s: End of the last frame read, seconds from the first presented frame.
        warnings: What a person should know, in plain words.
    """

    frame_count: int = 0
    corrupt_count: int = 0
    end_s: float = 0.0
    warnings: list[str] = field(default_factory=list)


class FilmReader(Protocol):
    """Decodes films."""

    def probe(self, path: Path) -> FilmProbe:
        """Read what the file says of itself.

        Raises:
            VideoError: It is not a film, or one beyond the limits.
        """
        ...

    def read_shots(
        self,
        path: Path,
        sampling: Sampling,
        span: Span,
        report: ReadReport,
        on_position: Callable[[float], None],
    ) -> AbstractContextManager[Iterator[ShotFrames]]:
        """Decode the shots that start within `span`, in time order, each with its key frames.

        The shots of neighbouring spans are the shots of the whole film: no shot is lost, doubled
        or cut at a seam. Leaving the context ends the decoder, also in the middle.

        Args:
            path: A film on the local disk.
            sampling: Which frames are looked at.
            span: A shot belongs to the span that holds its start.
            report: Filled while reading.
            on_position: Called often with the seconds decoded so far; what it raises ends the
                reading.

        Raises:
            VideoError: The film, or too much of it, cannot be decoded.
        """
        ...


class ObjectStore(Protocol):
    """Keeps films, thumbnails and features as objects by key, like ``films/<id>/source``."""

    def put_file(self, key: str, path: Path) -> None:
        """Move or copy the file at `path` to `key`; durable on return. `path` may be gone after."""
        ...

    def put_bytes(self, key: str, content: bytes) -> None:
        """Store `content` at `key`; durable on return. The same key again replaces it whole."""
        ...

    def get_bytes(self, key: str) -> bytes:
        """Return the object at `key`.

        Raises:
            NotFound: Nothing is stored there.
        """
        ...

    def open(
        self, key: str, start: int = 0, length: int | None = None
    ) -> AbstractContextManager[BinaryIO]:
        """Open the object at `key` for reading, from byte `start`, at most `length` bytes.

        Raises:
            NotFound: Nothing is stored there.
        """
        ...

    def size(self, key: str) -> int | None:
        """Return the bytes of the object at `key`, None where nothing is stored."""
        ...

    def local_file(self, key: str) -> AbstractContextManager[Path]:
        """Give the object as a file on the local disk while the context lasts.

        Raises:
            NotFound: Nothing is stored there.
        """
        ...

    def delete_prefix(self, prefix: str) -> int:
        """Delete every object whose key starts with `prefix` (ends in ``/``); return how many."""
        ...

    def keys(self, prefix: str) -> Iterator[tuple[str, float]]:
        """List keys under `prefix` with the time they were stored, seconds since the epoch."""
        ...

    def check(self) -> None:
        """Raise `StorageUnavailable` where nothing can be stored now."""
        ...


class JobQueue(Protocol):
    """Where films wait for a worker."""

    def enqueue(self, session: Any, film_id: str, run: int, wish: Wish = Wish.DECODE) -> None:  # noqa: ANN401
        """Queue a run of a film within the transaction of `session` (a SQLAlchemy session).

        Film row and job are stored together or not at all. `wish` says how the film is to be
        looked at, and with it which films go first.
        """
        ...

    def cancel(self, film_id: str, run: int) -> None:
        """Take a run out of the queue; harmless where it is not there or has ended."""
        ...

    def check(self) -> None:
        """Raise `DatabaseUnavailable` where nothing can be queued now."""
        ...
