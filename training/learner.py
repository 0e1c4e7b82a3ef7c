"""The network as it is taught: the same layers and weights, batch norms in one fused operation.

Keras computes a batch norm as a row of passes in float32, also in a network of half width; fused
it is one pass in the width of the layer. What is saved and published stays the stock network.
"""

from typing import Any

import keras
import tensorflow as tf

from training.steps import logits_of


class FusedNorm(keras.layers.Layer):  # type: ignore[misc]  # Keras has no types
    """Computes a stock batch norm over the last axis of pictures; owns no weights of its own.

    Source:
        `tf.compat.v1.nn.fused_batch_norm`; its variance is the sample's, Keras gathers the
        population's.
    """

    def __init__(self, norm: keras.layers.BatchNormalization) -> None:
        """Stand in for a layer that has its weights."""
        super().__init__(name=f"{norm.name}_fused", dtype=norm.dtype_policy)
        self.norm = norm
        self.built = True

    def call(self, inputs: tf.Tensor, training: bool = False, mask: None = None) -> tf.Tensor:
        """Return the normalised inputs, `(batch, height, width, channels)`; a mask is unused."""
        norm = self.norm
        scale = tf.ones_like(norm.moving_mean) if norm.gamma is None else _value(norm.gamma)
        offset = tf.zeros_like(norm.moving_mean) if norm.beta is None else _value(norm.beta)
        if not (training and norm.trainable):
            return tf.compat.v1.nn.fused_batch_norm(
                inputs, scale, offset, _value(norm.moving_mean), _value(norm.moving_variance),
                epsilon=norm.epsilon, is_training=False,
            )[0]  # fmt: skip
        outputs, mean, variance = tf.compat.v1.nn.fused_batch_norm(
            inputs, scale, offset, epsilon=norm.epsilon, is_training=True
        )
        values = tf.cast(tf.reduce_prod(tf.shape(inputs)[:-1]), variance.dtype)
        population = variance * (values - 1) / values
        for gathered, found in ((norm.moving_mean, mean), (norm.moving_variance, population)):
            gathered.assign(gathered * norm.momentum + found * (1 - norm.momentum))
        return outputs

    def compute_output_spec(
        self,
        inputs: keras.KerasTensor,
        **how: Any,  # noqa: ANN401 (as Keras calls it)
    ) -> keras.KerasTensor:
        """Say that the shape stays, without computing anything."""
        return keras.KerasTensor(inputs.shape, dtype=self.compute_dtype)


def learner_of(network: keras.Model) -> keras.Model:
    """Return the network up to its logits with fused batch norms; it shares all weights."""
    return keras.models.clone_model(logits_of(network), clone_function=_taught)


def _taught(layer: keras.layers.Layer) -> keras.layers.Layer:
    is_norm = isinstance(layer, keras.layers.BatchNormalization)
    return FusedNorm(layer) if is_norm and layer.axis in (3, -1) else layer


def _value(variable: keras.Variable) -> tf.Tensor:
    return tf.convert_to_tensor(variable)
