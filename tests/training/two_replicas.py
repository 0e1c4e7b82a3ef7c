"""A small network taught on one device and on two; prints as JSON what came of it.

A program of its own: TensorFlow takes a second logical processor only before it starts.
"""

import json

import keras
import numpy as np
import tensorflow as tf

from training.averaging import WeightAverage
from training.config import TrainConfig
from training.errors import BadConfigError
from training.network import reseed_dropout
from training.replicas import Replicas, open_replicas
from training.steps import build_optimizer, build_train_step

STEPS, BATCH, TAGS, SPREAD = 6, 7, 3, 10.0
"""Two replicas get four and three of seven pictures, so far apart that gradients are clipped."""


class Lesson:
    """A network, its optimizer and its average on so many devices."""

    def __init__(self, devices: int, *, learns_norm: bool = False, precision: str = "float32"):
        self.config = TrainConfig(optimizer="sgd", learning_rate=0.05, precision=precision)
        self.replicas = open_replicas(str(devices))
        keras.config.set_dtype_policy("mixed_float16" if precision == "float16" else precision)
        with self.replicas.scope():
            keras.utils.set_random_seed(1)
            self.network = keras.Sequential([
                keras.Input((8, 8, 3)), keras.layers.Conv2D(4, 3),
                keras.layers.BatchNormalization(), keras.layers.Flatten(),
                keras.layers.Dense(TAGS, dtype="float32"),
            ])  # fmt: skip
            self.norm.trainable = learns_norm
            self.optimizer = build_optimizer(self.config, self.network)
            self.average = WeightAverage(self.network, 0.9)
        self.step = build_train_step(self.config, self.network, self.optimizer, self.replicas)
        self.start = self.weights

    @property
    def norm(self) -> keras.layers.Layer:
        return self.network.layers[1]

    @property
    def weights(self) -> np.ndarray:
        return np.concatenate([weight.ravel() for weight in self.network.get_weights()])

    @property
    def averaged(self) -> np.ndarray:
        with self.average.applied():
            return self.weights

    def learn(self) -> list[float]:
        rng, losses = np.random.default_rng(5), []
        for number in range(STEPS):
            inputs = rng.normal(scale=SPREAD, size=(BATCH, 8, 8, 3)).astype(np.float32)
            targets = np.eye(TAGS, dtype=np.float32)[rng.integers(0, TAGS, BATCH)]
            weights = rng.uniform(0.5, 2, BATCH).astype(np.float32)
            losses.append(float(self.step(inputs, targets, weights)))
            self.average.after_step(number + 1)
        return losses


def copies(replicas: Replicas, variable: tf.Variable) -> list[np.ndarray]:
    results = replicas._strategy.experimental_local_results(variable)
    return [np.asarray(copy) for copy in results]


def distance(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.linalg.norm(one.astype(np.float64) - other))


def frozen() -> dict[str, object]:
    one, two = Lesson(1), Lesson(2)
    losses = one.learn(), two.learn()
    return {
        "start": distance(one.start, two.start),
        "moved": distance(one.weights, one.start),
        "apart": distance(one.weights, two.weights),
        "average_moved": distance(one.averaged, one.start),
        "average_apart": distance(one.averaged, two.averaged),
        "average_copies": len(copies(two.replicas, two.average._average[0])),
        "losses_apart": float(np.abs(np.subtract(*losses)).max()),
    }


def learning_norm() -> dict[str, object]:
    one, two = Lesson(1, learns_norm=True), Lesson(2, learns_norm=True)
    one.learn()
    two.learn()
    means = copies(two.replicas, two.norm.moving_mean.value)
    return {
        "moved": distance(one.weights, one.start),
        "apart": distance(one.weights, two.weights),
        "copies": len(means),
        "copies_apart": distance(*means),
        "mean_moved": float(np.abs(means[0]).max()),
    }


def overflow() -> dict[str, object]:
    """Half of the batch is too large for float16, so only the second replica's gradients are."""
    two = Lesson(2, precision="float16")
    two.learn()
    before, scale = two.weights, float(two.optimizer.dynamic_scale.numpy())
    inputs = np.zeros((BATCH, 8, 8, 3), np.float32)
    inputs[-1] = 1e5
    two.step(
        inputs, np.eye(TAGS, dtype=np.float32)[np.zeros(BATCH, int)], np.ones(BATCH, np.float32)
    )
    return {
        "moved": distance(before, two.start),
        "moved_by_overflow": distance(two.weights, before),
        "scale": float(two.optimizer.dynamic_scale.numpy()) / scale,
        "computes_in": two.network.layers[0].compute_dtype,
    }


def refused(devices: str) -> str:
    try:
        replicas = open_replicas(devices)
        replicas.shared(lambda rows, size: tf.reduce_sum(rows) / size)(np.ones(1, np.float32))
    except BadConfigError as exc:
        return str(exc)
    return ""


def dropout_seeds() -> list[list[int]]:
    replicas = open_replicas("2")
    with replicas.scope():
        network = keras.Sequential([keras.Input((4,)), keras.layers.Dropout(0.5)])
    reseed_dropout(network, 1, 3)
    replicas.part_dropout(network)
    state = network.layers[0].seed_generator.state.value
    return [copy.tolist() for copy in copies(replicas, state)]


if __name__ == "__main__":
    processor = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(
        processor, [tf.config.LogicalDeviceConfiguration()] * 2
    )
    found = {
        "auto": open_replicas("auto").count,
        "frozen": frozen(),
        "learning_norm": learning_norm(),
        "overflow": overflow(),
        "dropout_seeds": dropout_seeds(),
        "refused": {devices: refused(devices) for devices in ("2", "3", "0", "two")},
    }
    print(json.dumps(found))  # noqa: T201
