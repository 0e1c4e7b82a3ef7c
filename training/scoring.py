"""Scores of pictures by an artifact, with the recipe of its own manifest, on its CPU form.

Knows artifacts and pictures; knows no TensorFlow. Measuring the CPU form measures what the
service runs.
"""

from pathlib import Path

import numpy as np
import openvino as ov
from numpy.typing import NDArray

from models.artifact import CPU_GRAPH_FILE
from models.cpu_form import read_weights_buffer
from models.preprocessing import Pictures
from training.cpu_graph import FEATURES_OUTPUT, SCORES_OUTPUT

_BATCH = 32
_MIRRORED_AT_ONCE = 256


class CpuNetwork:
    """The CPU form of an artifact, ready to run."""

    def __init__(self, artifact_dir: Path, *, precision: str = "f32") -> None:
        """Open it.

        Args:
            artifact_dir: Directory with the artifact's files; need not be sealed.
            precision: ``f32`` for figures that do not depend on the machine, ``bf16`` for speed.
        """
        # The graph reads from the buffer: it lives as long as this object.
        self._buffer = read_weights_buffer(artifact_dir)
        core = ov.Core()
        graph = core.read_model(
            (artifact_dir / CPU_GRAPH_FILE).read_bytes(), ov.Tensor(self._buffer)
        )
        self._compiled = core.compile_model(
            graph, "CPU", {"INFERENCE_PRECISION_HINT": precision, "PERFORMANCE_HINT": "LATENCY"}
        )
        self._scores = self._compiled.output(SCORES_OUTPUT)
        self._features = self._compiled.output(FEATURES_OUTPUT)

    def __call__(self, inputs: Pictures) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Run the network.

        Args:
            inputs: `(n, height_px, width_px, 3)` uint8 RGB of the artifact's own size.

        Returns:
            Scores `(n, tags)` and features `(n, 2048)`, float32.
        """
        scores, features = [], []
        for start in range(0, len(inputs), _BATCH):
            result = self._compiled(inputs[start : start + _BATCH])
            scores.append(np.array(result[self._scores], np.float32))
            features.append(np.array(result[self._features], np.float32))
        return np.concatenate(scores), np.concatenate(features)


def scores_of_views(
    network: CpuNetwork, inputs: Pictures, *, mirror_views: bool = False
) -> NDArray[np.float32]:
    """Score pictures, each by one view or by two.

    Args:
        network: Ready to run.
        inputs: `(n, height_px, width_px, 3)` uint8 RGB of the artifact's own size.
        mirror_views: Return the mean of the scores of the picture and of its mirrored self; takes
            twice as long. Rows of softmax scores still sum to 1.

    Returns:
        `(n, tags)` float32.
    """
    scores, _ = network(inputs)
    if not mirror_views:
        return scores
    for start in range(0, len(inputs), _MIRRORED_AT_ONCE):
        part = slice(start, start + _MIRRORED_AT_ONCE)
        mirrored, _ = network(np.ascontiguousarray(inputs[part, :, ::-1]))
        scores[part] = (scores[part] + mirrored) / 2
    return scores
