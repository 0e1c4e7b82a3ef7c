"""Where the network looks when it scores a tag: Grad-CAM on the saved Keras network.

Source: Selvaraju et al. 2017, "Grad-CAM: Visual Explanations from Deep Networks via Gradient-based
Localization", section 3, equations 1 and 2. Knows network inputs; draws nothing.
"""

from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from models.artifact import NETWORK_FILE
from models.preprocessing import Pictures
from training.network import FEATURES_LAYER, LOGITS_LAYER


class GradCam:
    """An artifact's network, cut at the last maps before the pooling.

    Attributes:
        layer: Name of the layer whose maps are weighed: the last convolutional block.
    """

    def __init__(self, artifact_dir: Path) -> None:
        """Load the network.

        Args:
            artifact_dir: Directory of the artifact.
        """
        network = keras.models.load_model(artifact_dir / NETWORK_FILE, compile=False)
        pooling = network.get_layer(FEATURES_LAYER)
        maps = pooling.input
        self.layer = next(layer.name for layer in network.layers if layer.output is maps)
        self._until_maps = keras.Model(network.input, maps)
        self._head = keras.Model(maps, network.get_layer(LOGITS_LAYER).output)

    def heat(self, inputs: Pictures, places: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return what speaks for one tag in each picture.

        The gradient is that of the logit, the score before softmax or sigmoid, by the maps; its
        mean over positions weighs each map (equation 1), and what is below 0 in the weighted sum
        is cut off (equation 2).

        Args:
            inputs: `(n, height_px, width_px, 3)` uint8 RGB of the artifact's own size.
            places: `(n,)`, the column of the tag.

        Returns:
            `(n, rows, columns)` float32 in [0, 1], 1 at the strongest place of each picture; all 0
            where nothing speaks for the tag.
        """
        maps = self._until_maps(inputs, training=False)
        with tf.GradientTape() as tape:
            tape.watch(maps)
            logits = self._head(maps, training=False)
            chosen = tf.reduce_sum(tf.gather(logits, places, axis=1, batch_dims=1))
        weights = tf.reduce_mean(tape.gradient(chosen, maps), axis=(1, 2), keepdims=True)
        heat = np.asarray(tf.nn.relu(tf.reduce_sum(weights * maps, axis=3)), np.float32)
        greatest = heat.max(axis=(1, 2), keepdims=True)
        return np.asarray(heat / np.where(greatest > 0, greatest, 1), np.float32)
