"""Where a network looked when it found a tag, as arithmetic: Grad-CAM for a pooled network.

Source:
    Selvaraju et al. 2017, "Grad-CAM: Visual Explanations from Deep Networks via Gradient-based
    Localization", section 3, equations 1 and 2.

Knows arrays only: neither where the weights come from nor how the network is run.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class DenseHead:
    """What stands behind the features up to the logits: dense layers with ReLU between them.

    Attributes:
        layers: Weights `(inputs, outputs)` and bias `(outputs,)` of each, float32, in order; the
            last one gives the logits.
    """

    layers: Sequence[tuple[Floats, Floats]]

    def logits(self, features: Floats) -> Floats:
        """Return the logits, `(tags,)`, of one feature row, `(feature_size,)`."""
        return self._before_relu(features)[-1]

    def gradient(self, features: Floats, place: int) -> Floats:
        """Return the gradient of one logit by the features, `(feature_size,)` float32.

        Args:
            features: `(feature_size,)` float32: where the gradient is taken.
            place: Which logit; of the score before softmax or sigmoid (Grad-CAM, section 3).
        """
        *hidden, _ = self._before_relu(features)
        gradient = self.layers[-1][0][:, place]
        for (weights, _), before in zip(reversed(self.layers[:-1]), reversed(hidden), strict=True):
            gradient = weights @ np.where(before > 0, gradient, 0)
        return np.asarray(gradient, np.float32)

    def _before_relu(self, features: Floats) -> list[Floats]:
        found: list[Floats] = []
        row = np.asarray(features, np.float32)
        for weights, bias in self.layers:
            found.append(np.asarray(row @ weights + bias, np.float32))
            row = np.maximum(found[-1], 0)
        return found


def grad_cam(maps: Floats, head: DenseHead, place: int) -> Floats:
    """Return where one tag is seen, `(height, width)` float32, 0 and above.

    The features are the means of the maps, so the logit's gradient by every position of a map is
    that by its feature over the number of positions; its mean over positions is the map's weight
    (equation 1). The heat is the weighted sum of the maps, negative values cut off (equation 2).

    Args:
        maps: `(feature_size, height, width)` float32, the input of the global average pooling.
        head: What stands behind it.
        place: Which tag, in the order of the logits.
    """
    features = np.asarray(maps.mean(axis=(1, 2)), np.float32)
    weights = head.gradient(features, place) / (maps.shape[1] * maps.shape[2])
    return np.asarray(np.maximum(np.tensordot(weights, maps, axes=1), 0), np.float32)
