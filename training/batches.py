"""Training batches, made ahead of the training step by a thread of their own.

Knows the store, the targets and the augmentation; knows no network. What a batch holds follows
from seed, epoch and position alone, so a resumed run sees what the unbroken one would have seen.
"""

import queue
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.preprocessing import Pictures, PreprocessingSpec
from training.augmentation import augmented, mixup
from training.config import TrainConfig
from training.store import PictureStore

_AHEAD = 4
"""Batches made ahead; more only costs memory."""

_WEIGHT_RANGE = (0.3, 4.0)
"""Bounds of a picture's weight, so that a tag with ten pictures does not rule the batch."""


@dataclass(frozen=True, slots=True)
class Batch:
    """One step's worth of training.

    Attributes:
        inputs: `(n, px, px, 3)` uint8 RGB.
        targets: `(n, tags)` float32.
        weights: `(n,)` float32, about 1 on average.
    """

    inputs: Pictures
    targets: NDArray[np.float32]
    weights: NDArray[np.float32]


def picture_weights(present: NDArray[np.float32], balance: float) -> NDArray[np.float32]:
    """Weigh pictures of rare tags more.

    Weight = mean over the picture's tags of (mean count / count of the tag) ** balance, kept
    within `_WEIGHT_RANGE`, then scaled to a mean of 1.

    Args:
        present: `(pictures, tags)`, 1 where a tag applies.
        balance: 0 gives every picture 1; 1 gives every tag the same say.
    """
    counts = np.maximum(present.sum(axis=0), 1)
    rarity = (counts.mean() / counts) ** balance
    weights: NDArray[np.float32] = (present @ rarity) / np.maximum(present.sum(axis=1), 1)
    weights = np.clip(weights, *_WEIGHT_RANGE)
    return np.asarray(weights / weights.mean(), np.float32)


class TrainBatches:
    """The training split as batches.

    Attributes:
        store: The pictures.
        targets: `(pictures, tags)` float32, a row per picture of the store.
        weights: `(pictures,)` float32.
        batch_size: Pictures in one step.
    """

    def __init__(
        self,
        store: PictureStore,
        targets: NDArray[np.float32],
        weights: NDArray[np.float32],
        config: TrainConfig,
    ) -> None:
        self.store = store
        self.targets = targets
        self.weights = weights
        self._config = config
        self.batch_size = min(config.batch_size, len(store))

    @property
    def steps(self) -> int:
        """Steps of one epoch; a last batch that would not be full is left out."""
        return len(self.store) // self.batch_size

    def epoch(self, epoch: int) -> Iterator[Batch]:
        """Yield the batches of one epoch, counted from 0, made ahead by a thread."""
        order = np.random.default_rng((self._config.seed, epoch)).permutation(len(self.store))
        parts = order[: self.steps * self.batch_size].reshape(self.steps, self.batch_size)
        yield from _ahead(parts, lambda indices: self._batch(epoch, indices))

    def _batch(self, epoch: int, indices: NDArray[np.int64]) -> Batch:
        config = self._config
        px = config.size_px(epoch)
        spec = PreprocessingSpec(width_px=px, height_px=px)
        inputs = np.empty((len(indices), px, px, 3), np.uint8)
        for row, index in zip(inputs, indices, strict=True):
            rng = np.random.default_rng((config.seed, epoch, int(index)))
            row[...] = augmented(self.store[index], spec, config, rng)
        targets = self.targets[indices]
        if config.mixup > 0:
            rng = np.random.default_rng((config.seed, epoch, int(indices[0]), 1))
            inputs, targets = mixup(inputs, targets, config.mixup, rng)
        return Batch(inputs, targets, self.weights[indices])


def _ahead(parts: NDArray[np.int64], make: Callable[[NDArray[np.int64]], Batch]) -> Iterator[Batch]:
    """Run `make` over `parts` in a thread, a few results ahead of the reader."""
    ready: queue.Queue[Batch | BaseException] = queue.Queue(_AHEAD)
    stopped = threading.Event()

    def put(item: Batch | BaseException) -> None:
        while not stopped.is_set():
            try:
                return ready.put(item, timeout=0.2)
            except queue.Full:
                continue

    def work() -> None:
        try:
            for part in parts:
                if stopped.is_set():
                    return
                put(make(part))
        except BaseException as exc:  # handed to the reader, who raises it
            put(exc)

    threading.Thread(target=work, name="batches", daemon=True).start()
    try:
        for _ in parts:
            item = ready.get()
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        stopped.set()
