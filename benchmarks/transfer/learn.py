"""Three ways to learn a few tags from a few pictures: frozen head, fine-tuned, from scratch.

Knows the networks, steps and stores of `training`; knows neither which cells there are nor where
their figures go.
"""

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from benchmarks.transfer.plan import Way
from models.preprocessing import Pictures, PreprocessingSpec
from training.batches import TrainBatches, picture_weights
from training.config import TrainConfig
from training.dataset import Collection, target_rows
from training.errors import BadDataError, DivergedError
from training.features import HEAD_BATCH, HEAD_RATE, VIEWS, Features, head_of, read_features
from training.metrics import measure
from training.network import FEATURES_LAYER, base_layers, new_network, reseed_dropout
from training.steps import Predictor, build_optimizer, build_train_step, logits_of, rate_at
from training.store import PictureStore, open_store, read_network_inputs

BATCH = 32
HEAD_STEPS = 400
"""Steps of the head alone on stored features, in both ways that have a base; a step is cheap."""

FIRST_LEARNING = "mixed7"
"""Fine-tuned: the first base layer that learns, as `training/recipes/transfer.json`."""

FINE_RATE = 1e-4
"""Highest rate of the fine-tuned base, as `training/recipes/transfer.json`."""

_WARMUP = 0.1
_NORM_STEPS = 20
"""Steps that batch norms look back at the least, see `quicken_norms`."""


@dataclass(frozen=True, slots=True)
class Task:
    """The target tags with their pictures.

    Attributes:
        store: Training pictures to draw from.
        truth: `(pictures, tags)` of the store, 1 where a tag applies.
        held_out: Network inputs of the validation split, `(n, px, px, 3)` uint8 RGB.
        held_out_truth: `(n, tags)`.
        tags: Order of the columns.
    """

    store: PictureStore
    truth: NDArray[np.float32]
    held_out: Pictures
    held_out_truth: NDArray[np.float32]
    tags: tuple[str, ...]


class _Drawn(PictureStore):
    """Some pictures of a store, without a copy."""

    def __init__(self, whole: PictureStore, rows: NDArray[np.int64]) -> None:
        self.name, self.kept, self.rejected = whole.name, rows, ()
        self._whole = whole

    def __len__(self) -> int:
        return len(self.kept)

    def __getitem__(self, index: int) -> Pictures:
        return self._whole[int(self.kept[index])]


def read_task(collection: Collection, px: int, hold_px: int, cache_dir: Path) -> Task:
    """Decode the pictures of the target tags; the test split is never opened.

    Raises:
        BadDataError: A tag has no picture that can be read, on one of the two sides.
    """
    train, held_out = collection.of("train"), collection.of("validation")
    store = open_store([picture.file for picture in train], cache_dir, hold_px)
    truth = target_rows([train[row] for row in store.kept], collection.tags, normalised=False)
    spec = PreprocessingSpec(width_px=px, height_px=px)
    inputs, kept, _ = read_network_inputs([picture.file for picture in held_out], spec)
    known = target_rows([held_out[row] for row in kept], collection.tags, normalised=False)
    for name, rows in (("train", truth), ("validation", known)):
        missing = [collection.tags[place] for place in np.flatnonzero(rows.sum(axis=0) == 0)]
        if missing:
            raise BadDataError(f"the {name} split shows nothing of {', '.join(missing)}")
    return Task(store, truth, inputs, known, collection.tags)


def cell_config(way: Way, px: int, hold_px: int, seed: int) -> TrainConfig:
    """Return the choices of one cell; one "epoch" is the whole of its steps."""
    config = TrainConfig(
        input_px=px, start_px=px, hold_px=hold_px, epochs=1, warmup_epochs=_WARMUP,
        batch_size=BATCH, seed=seed,
    )  # fmt: skip
    if way == "from scratch":
        return config
    return replace(config, learning_rate=FINE_RATE, unfreeze_from=FIRST_LEARNING)


def quicken_norms(network: keras.Model, steps: int) -> None:
    """Let batch norms forget their random beginning within a short run.

    Keras' momentum of 0.99 still holds a fifth of the first mean and variance after 150 steps,
    and the network would be scored with statistics of no picture.
    """
    momentum = min(0.99, max(0.9, 1 - _NORM_STEPS / steps))
    for layer in base_layers(network):
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = momentum


class Learner:
    """One way to learn, with its network and compiled step; used again for every cell."""

    def __init__(
        self,
        way: Way,
        task: Task,
        config: TrainConfig,
        steps: int,
        base: Sequence[np.ndarray],
        cache_dir: Path,
    ) -> None:
        """Build the network and, where the way has a base, the features of all pictures.

        Args:
            way: How it learns.
            task: What it learns.
            config: As `cell_config`; its seed is replaced in every cell.
            steps: Steps of the whole network a cell; a frozen head makes none.
            base: Weights of the source base, in the order of `network.base_weights`.
            cache_dir: Where features are kept.
        """
        self._way, self._task, self._config, self._steps = way, task, config, steps
        self._base = base if way != "from scratch" else None
        self.network = new_network(config, len(task.tags))
        self._optimizer = build_optimizer(config, self.network)
        self._step = build_train_step(config, logits_of(self.network), self._optimizer)
        self._predict = Predictor(self.network)
        if self._base is None:
            quicken_norms(self.network, steps)
            return
        self._give_base()
        self._head = head_of(self.network)
        self._head_optimizer = build_optimizer(config, self._head)
        self._head_step = build_train_step(config, self._head, self._head_optimizer)
        self._features: list[Features] = [
            read_features(self.network, task.store, view, config.input_px, cache_dir)
            for view in VIEWS
        ]
        features = self.network.get_layer(FEATURES_LAYER).output
        look = Predictor(keras.Model(self.network.input, features))
        self._held_out_features = look(task.held_out) if way == "frozen head" else None

    def cell(self, rows: NDArray[np.int64], seed: int) -> dict[str, float]:
        """Learn from the drawn pictures, then score the last step on the validation split.

        Args:
            rows: Pictures of the task's store.
            seed: Decides the head's beginning, the order and views of pictures, and the dropout.

        Returns:
            `macro_map`, `hit_at_1` in [0, 1], and `loss`, the mean of the last ten steps.

        Raises:
            DivergedError: The loss is no longer a number.
        """
        config = replace(self._config, seed=seed)
        self._begin(config)
        present = self._task.truth[rows]
        targets = present / np.maximum(present.sum(axis=1, keepdims=True), 1)
        weights = picture_weights(present, config.balance)
        loss = math.nan
        if self._base is not None:
            loss = self._learn_head(rows, targets, weights, seed)
        if self._way != "frozen head":
            batches = TrainBatches(_Drawn(self._task.store, rows), targets, weights, config)
            loss = self._learn_whole(batches, config)
        figures = measure(
            self._scores(), self._task.held_out_truth, self._task.tags, [0.5] * len(self._task.tags)
        )
        return {"macro_map": figures["macro_map"], "hit_at_1": figures["hit_at_1"], "loss": loss}

    def _begin(self, config: TrainConfig) -> None:
        fresh = new_network(config, len(self._task.tags))
        self.network.set_weights(fresh.get_weights())
        if self._base is None:
            _forget(self._optimizer)
            return
        self._give_base()
        for optimizer in (self._optimizer, self._head_optimizer):
            _forget(optimizer)

    def _give_base(self) -> None:
        variables = [weight for layer in base_layers(self.network) for weight in layer.weights]
        for variable, value in zip(variables, self._base or (), strict=True):
            variable.assign(value)

    def _learn_head(
        self,
        rows: NDArray[np.int64],
        targets: NDArray[np.float32],
        weights: NDArray[np.float32],
        seed: int,
    ) -> float:
        features = np.concatenate([view[rows] for view in self._features])
        owners = np.tile(np.arange(len(rows)), len(self._features))
        reseed_dropout(self.network, seed, 0)
        self._head_optimizer.learning_rate.assign(HEAD_RATE)
        losses = []
        for part in itertools.islice(_parts(len(features), HEAD_BATCH, seed), HEAD_STEPS):
            own = owners[part]
            losses.append(float(self._head_step(features[part], targets[own], weights[own])))
        return _last(losses)

    def _learn_whole(self, batches: TrainBatches, config: TrainConfig) -> float:
        losses: list[float] = []
        for epoch in itertools.count():
            reseed_dropout(self.network, config.seed, epoch + 1)
            for batch in batches.epoch(epoch):
                if len(losses) == self._steps:
                    return _last(losses)
                rate = rate_at(config, len(losses) / self._steps)
                self._optimizer.learning_rate.assign(rate)
                losses.append(float(self._step(batch.inputs, batch.targets, batch.weights)))
        raise AssertionError("there is always another epoch")

    def _scores(self) -> NDArray[np.float32]:
        if self._way != "frozen head":
            return self._predict(self._task.held_out)
        logits = self._head(self._held_out_features, training=False)
        return np.asarray(tf.nn.softmax(logits), np.float32)


def _parts(count: int, size: int, seed: int) -> Iterator[NDArray[np.int64]]:
    """Yield batches of row numbers for ever, in a new order each pass."""
    size = min(size, count)
    for epoch in itertools.count():
        order = np.random.default_rng((seed, epoch)).permutation(count)
        yield from order[: count // size * size].reshape(-1, size)


def _forget(optimizer: keras.optimizers.Optimizer) -> None:
    """Make an optimizer as good as new; the rate is set before every step."""
    for variable in optimizer.variables:
        variable.assign(np.zeros(variable.shape, variable.dtype))


def _last(losses: list[float]) -> float:
    if not np.isfinite(losses).all():
        raise DivergedError("the loss is no longer a number")
    return float(np.mean(losses[-10:]))
