"""One training step and one prediction step: the only place that differentiates the network.

Knows network, optimizer, replicas and arrays; knows neither epochs nor files.
"""

import math
from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from models.preprocessing import Pictures
from training.config import TrainConfig
from training.network import LOGITS_LAYER
from training.replicas import Replicas

TrainStep = Callable[..., tf.Tensor]
"""`(inputs, targets, weights)`, arrays of one batch -> its mean loss."""

_NOT_DECAYED = ("bias", "beta", "gamma")
"""Source: He et al. 2019, "Bag of Tricks for Image Classification", section 3.1."""

_MOMENTUM = 0.9
_CLIP_NORM = 5.0
"""Gradients longer than this are shortened: one odd batch must not undo an epoch."""


def build_optimizer(config: TrainConfig, network: keras.Model) -> keras.optimizers.Optimizer:
    """Make the optimizer with all its variables, so that a checkpoint can fill it.

    With `float16` it scales the loss, so that small gradients are not rounded to zero, and leaves
    out a step whose gradients overflow.

    Source:
        Micikevicius et al. 2018, "Mixed Precision Training", section 3.2.
    """
    decay = config.weight_decay
    optimizer = (
        keras.optimizers.AdamW(config.learning_rate, weight_decay=decay)
        if config.optimizer == "adamw"
        else keras.optimizers.SGD(
            config.learning_rate, _MOMENTUM, nesterov=True, weight_decay=decay
        )
    )
    optimizer.exclude_from_weight_decay(var_names=list(_NOT_DECAYED))
    if config.precision == "float16":
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    optimizer.build(network.trainable_variables)
    return optimizer


def rate_at(config: TrainConfig, progress: float) -> float:
    """Return the learning rate: a straight climb, then the schedule down to nearly zero.

    Args:
        config: Gives the highest rate, the warm-up and the schedule.
        progress: Epochs done, with the fraction of the running one.

    Source:
        Loshchilov & Hutter 2017, "SGDR", equation 5; warm-up: Goyal et al. 2017, section 2.2.
    """
    if progress < config.warmup_epochs:
        return config.learning_rate * (0.01 + 0.99 * progress / config.warmup_epochs)
    span = max(config.epochs - config.warmup_epochs, 1e-6)
    done = min(1.0, (progress - config.warmup_epochs) / span)
    left = {
        "cosine": 0.5 * (1 + math.cos(math.pi * done)),
        "linear": 1 - done,
        "constant": 1.0,
    }[config.schedule]
    return config.learning_rate * (0.002 + 0.998 * left)


def smoothed(targets: tf.Tensor, config: TrainConfig) -> tf.Tensor:
    """Spread a share of each target row over all tags.

    Source:
        Szegedy et al. 2015, "Rethinking the Inception Architecture", section 7.
    """
    floor = 0.5 if config.head == "sigmoid" else 1.0 / targets.shape[-1]
    return targets * (1 - config.label_smoothing) + config.label_smoothing * floor


def logits_of(network: keras.Model) -> keras.Model:
    """Return the network without its last activation; it shares all layers."""
    return keras.Model(network.input, network.get_layer(LOGITS_LAYER).output)


def build_train_step(
    config: TrainConfig,
    learner: keras.Model,
    optimizer: keras.optimizers.Optimizer,
    replicas: Replicas | None = None,
) -> TrainStep:
    """Compile one step: `(inputs, targets, weights)` -> mean loss of the batch.

    The loss is the cross entropy of the logits, weighted per picture. Replicas sum their
    gradients before these are shortened, so a batch teaches the same on any number of devices,
    except through batch norms that learn: each sees the pictures of its own replica only.

    Args:
        config: Head and label smoothing.
        learner: Gives logits; see `learner.learner_of`.
        optimizer: Changes the learner's trainable weights.
        replicas: In whose scope the variables were made; None: one device.
    """
    shared = replicas or Replicas()
    statistics = _moving_statistics(learner)

    def step(
        inputs: tf.Tensor, targets: tf.Tensor, weights: tf.Tensor, batch_size: tf.Tensor
    ) -> tf.Tensor:
        with tf.GradientTape() as tape:
            logits = learner(inputs, training=True)
            loss = tf.reduce_sum(losses_of(config, logits, targets) * weights) / batch_size
            scaled = optimizer.scale_loss(loss)
        variables = learner.trainable_variables
        gradients = tape.gradient(scaled, variables)
        if shared.count > 1:
            totals = shared.summed([*gradients, *map(tf.convert_to_tensor, statistics)])
            gradients = totals[: len(variables)]
            # Each norm followed its own replica; all but the first would not be saved.
            for variable, total in zip(statistics, totals[len(variables) :], strict=True):
                variable.assign(total / shared.count)
        longest = optimizer.scale_loss(tf.constant(_CLIP_NORM))
        gradients, _ = tf.clip_by_global_norm(gradients, longest)
        if shared.count > 1:  # the optimizer sums over the replicas once more
            gradients = [gradient / shared.count for gradient in gradients]
        optimizer.apply(gradients, variables)
        return loss

    return shared.shared(step)


def _moving_statistics(network: keras.Model) -> list[tf.Variable]:
    """Return the means and variances that batch norms gather while they learn."""
    layers = [layer for layer in network._flatten_layers() if layer.trainable]
    norms = [layer for layer in layers if isinstance(layer, keras.layers.BatchNormalization)]
    return [weight.value for layer in norms for weight in layer.non_trainable_weights]


def losses_of(config: TrainConfig, logits: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
    """Return the loss of each picture, `(n,)`.

    Softmax: cross entropy. Sigmoid: the sum of the tags' binary cross entropies, where a tag of
    target t counts t + (1 - t) * `unknown_weight`: labels are positive only, so a missing tag is
    a weak negative.

    Args:
        config: Head, label smoothing, weight of what is unknown.
        logits: `(n, tags)`.
        targets: `(n, tags)`, 0..1, not smoothed.

    Source:
        Cole et al. 2021, "Multi-Label Learning from Single Positive Labels", equation 3 (weak
        "assume negative"); their weight is 1 / (tags - 1).
    """
    wanted = smoothed(targets, config)
    if config.head == "sigmoid":
        each = tf.nn.sigmoid_cross_entropy_with_logits(labels=wanted, logits=logits)
        says = targets + (1 - targets) * config.unknown_weight
        return tf.reduce_sum(each * says, axis=-1)
    return tf.nn.softmax_cross_entropy_with_logits(labels=wanted, logits=logits)


class Predictor:
    """Runs a network over many pictures in batches of one size."""

    def __init__(self, network: keras.Model, batch_size: int = 64) -> None:
        self._batch_size = batch_size
        self._call = tf.function(lambda inputs: network(inputs, training=False))

    def __call__(self, inputs: Pictures) -> NDArray[np.float32]:
        """Return the network's output for `(n, px, px, 3)` uint8 RGB, as float32."""
        parts = []
        for start in range(0, len(inputs), self._batch_size):
            part = inputs[start : start + self._batch_size]
            lacking = self._batch_size - len(part) if start else 0
            padded = np.pad(part, ((0, lacking), (0, 0), (0, 0), (0, 0)))
            parts.append(np.asarray(self._call(tf.constant(padded)), np.float32)[: len(part)])
        return np.concatenate(parts)
