"""One epoch: every batch through the training step, then the figures of the validation split.

Knows batches, a step and an optimizer; knows no files and no checkpoints.
"""

import time
from collections.abc import Callable

import keras
import numpy as np
from numpy.typing import NDArray

from training.averaging import WeightAverage
from training.batches import TrainBatches
from training.checkpoints import RunState
from training.config import TrainConfig
from training.errors import DivergedError
from training.metrics import measure
from training.steps import TrainStep, rate_at
from training.train_data import TrainData

Watch = Callable[[int, int, int, float], None]
"""Told after every step: epoch from 1, step from 1, steps of the epoch, loss so far."""

VALIDATION_FIGURES = ("hit_at_1", "hit_at_3", "macro_map", "macro_map_min20", "micro_map")


def train_epoch(
    config: TrainConfig,
    state: RunState,
    batches: TrainBatches,
    step: TrainStep,
    optimizer: keras.optimizers.Optimizer,
    average: WeightAverage | None = None,
    watch: Watch = lambda epoch, step, steps, loss: None,
) -> dict[str, float]:
    """Bring every batch of the epoch `state.epoch` through the step.

    Args:
        config: Gives the learning rate.
        state: Its count of steps goes on; its epoch does not.
        batches: The training split.
        step: Changes the network.
        optimizer: Gets the rate of every step.
        average: Follows the network.
        watch: Told after every step.

    Returns:
        ``loss`` (mean over the steps), ``learning_rate`` (of the last step), ``images_per_s`` and
        ``waiting_share``, the share of the epoch's time in which no batch was ready, 0..1.

    Raises:
        DivergedError: The loss is no longer a number.
    """
    total, waited_s, rate, began_s = 0.0, 0.0, 0.0, time.monotonic()
    mark_s = began_s
    for number, batch in enumerate(batches.epoch(state.epoch)):
        waited_s += time.monotonic() - mark_s
        rate = rate_at(config, state.epoch + number / batches.steps)
        optimizer.learning_rate.assign(rate)
        total += float(step(batch.inputs, batch.targets, batch.weights))
        if not np.isfinite(total):
            raise DivergedError("the loss is no longer a number; lower the learning rate")
        state.step += 1
        if average is not None:
            average.after_step(state.step)
        watch(state.epoch + 1, number + 1, batches.steps, total / (number + 1))
        mark_s = time.monotonic()
    spent_s = time.monotonic() - began_s
    return {
        "loss": total / batches.steps,
        "learning_rate": rate,
        "images_per_s": batches.steps * batches.batch_size / spent_s,
        "waiting_share": waited_s / spent_s,
    }


def validate(scores: NDArray[np.float32], data: TrainData) -> dict[str, float]:
    """Return validation figures; ``score`` decides which epoch is the best."""
    figures = measure(scores, data.validation_truth, data.tags, [0.5] * len(data.tags))
    chosen = {key: float(figures[key] or 0) for key in VALIDATION_FIGURES}
    return {**chosen, "score": (chosen["hit_at_1"] + chosen["hit_at_3"] + chosen["macro_map"]) / 3}
