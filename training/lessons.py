"""A head's lessons from corrections: few, gentle, and only of what is known.

Only what stands behind the features learns. A tag of which nothing is known gives no loss, and
the head is held near the one it was, so that tags nobody corrected stay what they were. Knows
networks and arrays; knows no files.
"""

from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from training.config import Head
from training.errors import DivergedError
from training.known import Known

_SURE = 1 - 1e-6
"""Scores are kept below it where their complement's logarithm is taken."""


@dataclass(frozen=True, slots=True)
class Lessons:
    """How a head learns from corrections.

    Attributes:
        epochs: Most passes over the frames.
        learning_rate: Of Adam; a third of what a new head learns with.
        batch_size: Frames in one step.
        hold: How strongly each weight is held where it was: the loss grows by `hold` times the
            squared distance of all weights.
        seed: Order and dropout follow from it.
    """

    epochs: int = 30
    learning_rate: float = 3e-4
    batch_size: int = 32
    hold: float = 1e-1
    seed: int = 1


@dataclass(frozen=True, slots=True)
class Learned:
    """How the lessons went.

    Attributes:
        epoch: The epoch whose weights were kept; 0: none was better than the head as it was.
        before: Masked loss of the frames that decide, before.
        after: The same with the weights that were kept.
    """

    epoch: int
    before: float
    after: float


def masked_losses(
    logits: tf.Tensor, holds: tf.Tensor, holds_not: tf.Tensor, head: Head
) -> tf.Tensor:
    """Return the loss of each frame over the tags that are known.

    Mean over the known tags of -log(score) where a tag holds, of -log(1 - score) where it does
    not. An unknown tag has no term of its own.

    Args:
        logits: `(n, tags)`.
        holds: `(n, tags)`, 1 where a tag is known to hold.
        holds_not: `(n, tags)`, 1 where it is known not to.
        head: How logits become scores.

    Returns:
        `(n,)`; 0 for a frame of which nothing is known.

    Source:
        -log(1 - score) under a softmax: Kim et al. 2019, "NLNL: Negative Learning for Noisy
        Labels", equation 2.
    """
    logits = tf.cast(logits, tf.float32)
    if head == "sigmoid":
        yes, no = tf.math.log_sigmoid(logits), tf.math.log_sigmoid(-logits)
    else:
        yes = tf.nn.log_softmax(logits)
        no = tf.math.log1p(-tf.minimum(tf.exp(yes), _SURE))
    total = -tf.reduce_sum(yes * holds + no * holds_not, axis=-1)
    return total / tf.maximum(tf.reduce_sum(holds + holds_not, axis=-1), 1.0)


def teach_head(
    head: keras.Model, lessons: Lessons, activation: Head, train: Known, judge: Known
) -> Learned:
    """Let a head learn, then give it the weights of its best epoch.

    Args:
        head: From features to logits; changed in place. See `features.head_of`.
        lessons: How.
        activation: How logits become scores.
        train: What is learned from.
        judge: Decides the best epoch; where it is empty the last epoch stays.

    Raises:
        DivergedError: The loss is no longer a number; the head is as it was.
    """
    keras.utils.set_random_seed(lessons.seed)
    old = [tf.constant(weight) for weight in head.get_weights()]
    optimizer = keras.optimizers.Adam(lessons.learning_rate, global_clipnorm=5.0)
    optimizer.build(head.trainable_variables)

    def take_step(features: tf.Tensor, holds: tf.Tensor, holds_not: tf.Tensor) -> tf.Tensor:
        variables = head.trainable_variables
        with tf.GradientTape() as tape:
            logits = head(features, training=True)
            loss = tf.reduce_mean(masked_losses(logits, holds, holds_not, activation))
            away = tf.add_n(
                [tf.reduce_sum((now - was) ** 2) for now, was in zip(variables, old, strict=True)]
            )
            total = loss + lessons.hold * away
        optimizer.apply_gradients(zip(tape.gradient(total, variables), variables, strict=True))
        return loss

    step = tf.function(take_step, reduce_retracing=True)
    decide = judge if len(judge) else train
    before = best = mean_loss(head, decide, activation)
    best_epoch, kept = 0, head.get_weights()
    for epoch in range(lessons.epochs):
        order = np.random.default_rng((lessons.seed, epoch)).permutation(len(train))
        for start in range(0, len(order), lessons.batch_size):
            rows = order[start : start + lessons.batch_size]
            parts = (train.features[rows], train.holds[rows], train.holds_not[rows])
            if not np.isfinite(float(step(*map(tf.constant, parts)))):
                head.set_weights([weight.numpy() for weight in old])
                raise DivergedError("the loss is no longer a number; lower the learning rate")
        loss = mean_loss(head, decide, activation)
        if loss < best or not len(judge):
            best, best_epoch, kept = loss, epoch + 1, head.get_weights()
    head.set_weights(kept)
    return Learned(best_epoch, before, best)


def mean_loss(head: keras.Model, known: Known, activation: Head) -> float:
    """Return the mean masked loss of frames, without dropout."""
    logits = head(tf.constant(known.features), training=False)
    losses = masked_losses(logits, known.holds, known.holds_not, activation)
    return float(tf.reduce_mean(losses))


def scores_of(
    head: keras.Model, features: NDArray[np.float16], activation: Head
) -> NDArray[np.float32]:
    """Return the scores of features, `(n, tags)` float32."""
    logits = tf.cast(head(tf.constant(features), training=False), tf.float32)
    scores = tf.sigmoid(logits) if activation == "sigmoid" else tf.nn.softmax(logits)
    return np.asarray(scores, np.float32)
