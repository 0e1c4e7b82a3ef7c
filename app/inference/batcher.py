"""One thread that runs the network for every film of a worker, in full batches.

A film alone rarely fills a batch: a shot has few key frames. Here the key frames of all films that
are being analysed meet, are run together and go back to whoever asked. Knows no network (any
`ports.Engine` will do), no film and no database.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Iterable
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from app.ports import Engine, FrameScores
from models.manifest import Manifest

log = logging.getLogger(__name__)

BATCH_SIZES = (1, 8, 32)
"""Fixed sizes: a graph is compiled once per size, so few of them; padding fills the rest."""

MAX_WAIT_S = 0.02
"""How long a batch that is not full waits for company; a tenth of what it takes to run one."""

MAX_QUEUED = 256
"""Pictures that may wait. Eight full batches keep any engine busy and take 70 MB at 299 px."""


@dataclass(frozen=True, slots=True)
class BatchCounters:
    """What the classifier did so far; only grows, except `queued`.

    Attributes:
        batches: Batches run, failed ones among them.
        failed: Batches whose run raised.
        pictures: Pictures in those batches.
        padded: Blank pictures that filled them up to a fixed size.
        busy_s: Seconds spent in the engine.
        queued: Pictures that wait at this moment.
    """

    batches: int = 0
    failed: int = 0
    pictures: int = 0
    padded: int = 0
    busy_s: float = 0.0
    queued: int = 0

    @property
    def fill(self) -> float:
        """Share of what was run that was real pictures, in [0, 1]; 1 before the first batch."""
        return self.pictures / (self.pictures + self.padded) if self.pictures else 1.0


@dataclass(slots=True)
class _Submission:
    """Pictures of one caller; `taken` of them have been put into batches, `parts` came back."""

    inputs: NDArray[np.uint8]
    future: Future[FrameScores]
    queued_at_s: float
    taken: int = 0
    parts: list[FrameScores] = field(default_factory=list)

    @property
    def left(self) -> int:
        return len(self.inputs) - self.taken

    def take_back(self, part: FrameScores) -> None:
        """Keep the rows of one batch; the last ones complete the caller's future."""
        self.parts.append(part)
        if sum(len(part.scores) for part in self.parts) == len(self.inputs):
            self.future.set_result(_joined(self.parts))


@dataclass(frozen=True, slots=True)
class _Piece:
    """The stretch `[start, end)` of a submission's pictures that stands in a batch."""

    submission: _Submission
    start: int
    end: int

    @property
    def inputs(self) -> NDArray[np.uint8]:
        return self.submission.inputs[self.start : self.end]


class BatchingClassifier:
    """Scores pictures for many films at once: the `ports.FrameClassifier` of a worker.

    A context manager; leaving it finishes what was submitted and ends the thread.
    """

    def __init__(
        self,
        engine: Engine,
        batch_sizes: Iterable[int] = BATCH_SIZES,
        max_wait_s: float = MAX_WAIT_S,
        max_queued: int = MAX_QUEUED,
    ) -> None:
        """Start the thread.

        Args:
            engine: Runs the network; used by the one thread only.
            batch_sizes: Sizes that the engine is given; batches are padded to the next of them.
            max_wait_s: How long a batch that is not full waits for company.
            max_queued: Pictures that may wait before `submit` blocks.

        Raises:
            ValueError: No batch size, or one below 1.
        """
        self._engine = engine
        self._sizes = sorted(set(batch_sizes))
        if not self._sizes or self._sizes[0] < 1:
            raise ValueError(f"batch sizes are whole numbers from 1, not {self._sizes}")
        self._max_wait_s = max_wait_s
        self._max_queued = max_queued
        self._waiting: deque[_Submission] = deque()
        self._changed = threading.Condition()
        self._closing = False
        self._counters = BatchCounters()
        self._head = threading.Lock()
        self._thread = threading.Thread(target=self._serve, name="inference", daemon=True)
        self._thread.start()

    @property
    def manifest(self) -> Manifest:
        """What the loaded model says of itself."""
        return self._engine.manifest

    @property
    def device(self) -> str:
        """What the network runs on, for logs."""
        return self._engine.device

    @property
    def counters(self) -> BatchCounters:
        """What was done so far, as it stands now."""
        with self._changed:
            return replace(self._counters, queued=self._queued())

    def submit(self, inputs: NDArray[np.uint8]) -> Future[FrameScores]:
        """Queue `(n, height, width, 3)` uint8 RGB inputs; the result has `n` rows in their order.

        Blocks while the queue is full. The arrays must not be changed before the result is there.
        A cancelled future is not run, unless some of its pictures stand in a batch already.

        Raises:
            ValueError: The inputs are not what the manifest's preprocessing makes.
            RuntimeError: The classifier was closed.
        """
        self._require_inputs(inputs)
        submission = _Submission(inputs, Future(), time.monotonic())
        with self._changed:
            self._changed.wait_for(lambda: self._closing or self._has_room(len(inputs)))
            if self._closing:
                raise RuntimeError("the classifier is closed")
            if len(inputs) == 0:
                submission.future.set_result(self._no_rows())
            else:
                self._waiting.append(submission)
                self._changed.notify_all()
        return submission.future

    def score_features(self, features: NDArray[np.float16]) -> NDArray[np.float32]:
        """Score stored features, `(n, feature_size)`, at once: they wait for no picture.

        Returns:
            `(n, tags)` float32 in [0, 1].

        Raises:
            ValueError: The rows are not those of the model's base.
        """
        size = self.manifest.feature_size
        if features.ndim != 2 or features.shape[1] != size:
            raise ValueError(f"features are (n, {size}), not {features.shape}")
        if len(features) == 0:
            return self._no_rows().scores
        with self._head:
            return self._engine.score_features(features)

    def close(self) -> None:
        """Finish what was submitted, take nothing more and end the thread; again does nothing."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _serve(self) -> None:
        while pieces := self._next_batch():
            self._run(pieces)

    def _next_batch(self) -> list[_Piece]:
        """Wait for pictures and take the next batch of them; empty once closed and drained."""
        with self._changed:
            while True:
                self._changed.wait_for(lambda: self._closing or self._waiting)
                if not self._waiting:
                    return []
                self._wait_for_company()
                pieces = self._take(self._sizes[-1])
                self._changed.notify_all()
                if pieces:
                    return pieces

    def _wait_for_company(self) -> None:
        """Let a batch that is not full wait, counted from when its oldest picture came."""
        deadline_s = self._waiting[0].queued_at_s + self._max_wait_s
        self._changed.wait_for(
            lambda: self._closing or self._queued() >= self._sizes[-1],
            timeout=max(0.0, deadline_s - time.monotonic()),
        )

    def _take(self, count: int) -> list[_Piece]:
        pieces: list[_Piece] = []
        while self._waiting and count:
            submission = self._waiting[0]
            if self._is_given_up(submission):
                self._waiting.popleft()
                continue
            start = submission.taken
            submission.taken = min(len(submission.inputs), start + count)
            count -= submission.taken - start
            pieces.append(_Piece(submission, start, submission.taken))
            if not submission.left:
                self._waiting.popleft()
        return pieces

    def _is_given_up(self, submission: _Submission) -> bool:
        if submission.taken:  # running already: only a failed batch can have ended it
            return submission.future.done()
        return not submission.future.set_running_or_notify_cancel()

    def _run(self, pieces: list[_Piece]) -> None:
        count = sum(piece.end - piece.start for piece in pieces)
        size = next(size for size in self._sizes if size >= count)
        started_s = time.monotonic()
        try:
            result = self._engine.infer(_batch(pieces, size))
            if len(result.scores) != size or len(result.features) != size:
                raise RuntimeError(f"the engine gave {len(result.scores)} rows for {size} pictures")
        except Exception as exc:
            log.warning("a batch of %d pictures failed: %s", count, exc)
            self._count(count, size, time.monotonic() - started_s, failed=1)
            for submission in {id(piece.submission): piece.submission for piece in pieces}.values():
                submission.future.set_exception(exc)
            return
        self._count(count, size, time.monotonic() - started_s)
        row = 0
        for piece in pieces:
            rows = slice(row, row := row + piece.end - piece.start)
            piece.submission.take_back(FrameScores(result.scores[rows], result.features[rows]))

    def _count(self, count: int, size: int, busy_s: float, failed: int = 0) -> None:
        with self._changed:
            so_far = self._counters
            self._counters = BatchCounters(
                batches=so_far.batches + 1,
                failed=so_far.failed + failed,
                pictures=so_far.pictures + count,
                padded=so_far.padded + size - count,
                busy_s=so_far.busy_s + busy_s,
            )

    def _queued(self) -> int:
        return sum(submission.left for submission in self._waiting)

    def _has_room(self, count: int) -> bool:
        queued = self._queued()  # an empty queue takes a submission of any size
        return queued == 0 or queued + count <= self._max_queued

    def _no_rows(self) -> FrameScores:
        manifest = self.manifest
        return FrameScores(
            np.empty((0, len(manifest.tags)), np.float32),
            np.empty((0, manifest.feature_size), np.float16),
        )

    def _require_inputs(self, inputs: NDArray[np.uint8]) -> None:
        spec = self.manifest.preprocessing
        wanted = (spec.height_px, spec.width_px, 3)
        if inputs.dtype != np.uint8 or inputs.shape[1:] != wanted:
            raise ValueError(f"inputs are (n, *{wanted}) uint8, not {inputs.shape} {inputs.dtype}")


def _batch(pieces: list[_Piece], size: int) -> NDArray[np.uint8]:
    """Lay the pieces one after the other into `size` pictures, the rest black."""
    if len(pieces) == 1 and len(pieces[0].inputs) == size:
        return pieces[0].inputs
    batch = np.zeros((size, *pieces[0].inputs.shape[1:]), np.uint8)
    np.concatenate(
        [piece.inputs for piece in pieces], out=batch[: sum(len(p.inputs) for p in pieces)]
    )
    return batch


def _joined(parts: list[FrameScores]) -> FrameScores:
    """Copy the rows out of their batches, so that a row does not keep a whole batch alive."""
    return FrameScores(
        np.concatenate([part.scores for part in parts]),
        np.concatenate([part.features for part in parts]),
    )
