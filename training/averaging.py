"""A running average of the network's weights: what is validated and published in their place.

Knows variables and a decay; knows no steps, no data and no files.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import keras
import tensorflow as tf

UPDATE_EVERY = 4
"""Steps between two updates; one pass over all weights costs a tenth of a small step."""


class WeightAverage:
    """Follows a network's weights, batch-norm statistics included, at a distance.

    average = d * average + (1 - d) * weight after every step, with d = min(decay, (1 + n) /
    (10 + n)) after n updates, so that a young average does not hold on to random weights.

    Source:
        Polyak & Juditsky 1992; the growing decay: `tf.train.ExponentialMovingAverage`.
    """

    def __init__(self, network: keras.Model, decay: float) -> None:
        """Begin at the weights that the network has now.

        Must be made in the scope of the network's replicas, if there are several.

        Args:
            network: Followed, and lent the average by `applied`.
            decay: Share of the average that one step keeps, 0..1.
        """
        self._decay = decay
        self._weights = [variable.value for variable in network.weights]
        self._average = [tf.Variable(weight, trainable=False) for weight in self._weights]
        self._updates = 0
        self._blend = tf.function(self._blended)

    def begin_again(self, updates: int) -> None:
        """Take the network's present weights as the average, `updates` updates old."""
        for average, weight in zip(self._average, self._weights, strict=True):
            average.assign(weight)
        self._updates = updates

    def after_step(self, step: int) -> None:
        """Move towards the network's weights, every `UPDATE_EVERY` steps.

        Args:
            step: Number of the step just done, counted over the whole run.
        """
        if step % UPDATE_EVERY == 0:
            self._updates += 1
            decay = min(self._decay, (1 + self._updates) / (10 + self._updates))
            self._blend(tf.constant(1 - decay**UPDATE_EVERY, tf.float32))

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Lend the average to the network; its own weights come back at the end."""
        kept = [tf.identity(weight) for weight in self._weights]
        for average, weight in zip(self._average, self._weights, strict=True):
            weight.assign(average)
        try:
            yield
        finally:
            for weight, own in zip(self._weights, kept, strict=True):
                weight.assign(own)

    def _blended(self, share: tf.Tensor) -> None:
        for average, weight in zip(self._average, self._weights, strict=True):
            average.assign_add((weight - average) * share)
