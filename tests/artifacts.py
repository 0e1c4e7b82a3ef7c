"""Makes small whole artifacts: real OpenVINO graphs that say what `FakeEngine` says.

Knows the artifact's file names. The Keras form that `write_keras_artifact` makes takes TensorFlow;
`write_artifact` does not and takes milliseconds.
"""

import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path

import h5py
import numpy as np
import openvino as ov
from numpy.typing import NDArray
from openvino import opset13 as ops

from models.artifact import (
    CARD_FILE,
    CPU_CONSTANTS_FILE,
    CPU_GRAPH_FILE,
    CPU_WEIGHTS_FILE,
    METRICS_FILE,
    NETWORK_FILE,
    Artifact,
    seal_artifact,
)
from models.cpu_form import KERAS_WEIGHTS_MEMBER
from models.manifest import Manifest
from tests.fakes import FEATURE_SIZE, GRID, head_of, make_manifest


def write_artifact(
    path: Path,
    manifest: Manifest | None = None,
    *,
    head: NDArray[np.float64] | None = None,
    input_px: tuple[int, int] | None = None,
    metrics: Mapping[str, object] | None = None,
    is_detour: bool = False,
) -> Artifact:
    """Write an artifact whose CPU form computes the means and the head of `FakeEngine`.

    Args:
        path: Its directory; made.
        manifest: What it says of itself; None is `make_manifest()`.
        head: Another linear head, `(features, tags)`.
        input_px: Another height and width of the input.
        metrics: What `metrics.json` holds.
        is_detour: Its scores do not follow from its features.
    """
    manifest = manifest or make_manifest()
    spec = manifest.preprocessing
    height, width = input_px or (spec.height_px, spec.width_px)
    head = head_of(len(manifest.tags)) if head is None else head
    graph = _graph(height, width, head, is_detour)
    path.mkdir(parents=True, exist_ok=True)
    ov.serialize(graph, str(path / CPU_GRAPH_FILE), str(path / CPU_CONSTANTS_FILE))
    (path / CPU_WEIGHTS_FILE).write_text("[]", "utf-8")
    weights = io.BytesIO()
    with h5py.File(weights, "w"):
        pass
    with zipfile.ZipFile(path / NETWORK_FILE, "w") as network:
        network.writestr(KERAS_WEIGHTS_MEMBER, weights.getvalue())
    return _sealed(path, manifest, metrics)


def write_keras_artifact(path: Path, manifest: Manifest | None = None) -> Artifact:
    """Write an artifact of a small Keras network in both forms, as `training` exports it."""
    import keras

    from training.cpu_graph import write_cpu_form

    manifest = manifest or make_manifest(feature_size=8)
    spec = manifest.preprocessing
    keras.utils.set_random_seed(3)
    inputs = keras.Input((spec.height_px, spec.width_px, 3), dtype="uint8")
    found = keras.layers.Rescaling(1 / 127.5, offset=-1)(inputs)
    found = keras.layers.Conv2D(manifest.feature_size, 5, strides=4, use_bias=False)(found)
    found = keras.layers.BatchNormalization(scale=False)(found)
    found = keras.layers.Activation("relu")(found)
    found = keras.layers.GlobalAveragePooling2D(name="features")(found)
    found = keras.layers.Dense(len(manifest.tags), name="logits")(found)
    scores = keras.layers.Activation(manifest.activation, name="scores")(found)
    path.mkdir(parents=True, exist_ok=True)
    keras.Model(inputs, scores).save(path / NETWORK_FILE)
    write_cpu_form(path)
    return _sealed(path, manifest)


def _sealed(
    path: Path, manifest: Manifest, metrics: Mapping[str, object] | None = None
) -> Artifact:
    (path / METRICS_FILE).write_text(json.dumps(metrics or {}), "utf-8")
    (path / CARD_FILE).write_text("Made by a test.\n", "utf-8")
    return seal_artifact(path, manifest)


def _graph(height: int, width: int, head: NDArray[np.float64], is_detour: bool) -> ov.Model:
    pictures = ops.parameter([-1, height, width, 3], np.uint8, name="pictures")
    cell = [height // GRID, width // GRID]
    planes = ops.transpose(ops.convert(pictures, np.float32), ops.constant([0, 3, 1, 2]))
    means = ops.avg_pool(planes, cell, [0, 0], [0, 0], cell, exclude_pad=True)
    cells = ops.transpose(means, ops.constant([0, 2, 3, 1]))
    rows = ops.reshape(cells, ops.constant([0, FEATURE_SIZE]), special_zero=True)
    features = ops.divide(rows, ops.constant(np.float32(255)))
    seen = ops.divide(rows, ops.constant(np.float32(256))) if is_detour else features
    logits = ops.matmul(seen, ops.constant(head.astype(np.float32)), False, False)
    scores = ops.softmax(logits, 1)
    features.output(0).set_names({"features"})
    scores.output(0).set_names({"scores"})
    return ov.Model([ops.result(scores), ops.result(features)], [pictures], "small")
