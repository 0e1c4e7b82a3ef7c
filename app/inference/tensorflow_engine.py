"""The network of an artifact on a GPU, by TensorFlow.

Reads `network.keras` with stock Keras. Runs on a processor too, where OpenVINO is faster. Nobody
but `choose` imports this file: TensorFlow takes seconds and a gigabyte.
"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from app.inference.fit import ANY, require_shapes, unusable
from app.ports import FrameScores
from models.artifact import NETWORK_FILE, Artifact
from models.manifest import Manifest

FEATURES_LAYER = "features"
"""Name of the layer whose output is the feature row."""

FULL_WIDTH_LAYERS = frozenset({"logits", "scores"})
"""Stay float32 in bf16: eight bits would make near scores equal."""


def sees_gpu() -> bool:
    """Return whether TensorFlow was built for and finds a GPU."""
    return bool(tf.config.list_physical_devices("GPU"))


class TensorFlowEngine:
    """A `ports.Engine` on a GPU, or on the processor where there is none.

    The network is compiled once for each batch size it meets, so it should meet few.
    """

    def __init__(self, artifact: Artifact, precision: str = "auto") -> None:
        """Load the network.

        Args:
            artifact: Verified artifact.
            precision: ``fp32``, ``bf16``, or ``auto``: bf16 on a GPU.

        Raises:
            ArtifactError: The network cannot be loaded or is not what the manifest says.
        """
        gpus = tf.config.list_physical_devices("GPU")
        for gpu in gpus:
            _grow_memory(gpu)
        self._manifest = artifact.manifest
        self._place = "/GPU:0" if gpus else "/CPU:0"
        wanted = ("bf16" if gpus else "fp32") if precision == "auto" else precision
        self._precision = wanted
        with tf.device(self._place):
            network = _load(artifact)
            head = _head_of(network, artifact)
            if wanted == "bf16":
                network = _in_bfloat16(network)
        both = keras.Model(
            network.input, [network.output, network.get_layer(FEATURES_LAYER).output]
        )

        def score(pictures: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            scores, features = both(pictures, training=False)
            return tf.cast(scores, tf.float32), tf.cast(features, tf.float32)

        def score_rows(rows: tf.Tensor) -> tf.Tensor:
            return tf.cast(head(rows, training=False), tf.float32)

        any_count = tf.TensorSpec((None, artifact.manifest.feature_size), tf.float32)
        self._run_head = tf.function(score_rows, input_signature=[any_count])
        # XLA fuses what lies between the convolutions; it needs the GPU's compiler only
        self._run = tf.function(score, jit_compile=bool(gpus), reduce_retracing=False)

    @property
    def manifest(self) -> Manifest:
        """What the loaded model says of itself."""
        return self._manifest

    @property
    def device(self) -> str:
        """``tensorflow:GPU:0:bf16``, ``tensorflow:CPU:0:fp32`` ..."""
        return f"tensorflow:{self._place.removeprefix('/')}:{self._precision}"

    def infer(self, inputs: NDArray[np.uint8]) -> FrameScores:
        """Run one batch, `(n, height, width, 3)` uint8 RGB of the manifest's input size."""
        with tf.device(self._place):
            scores, features = self._run(tf.constant(inputs))  # bytes cross the bus, not floats
        return FrameScores(
            np.asarray(scores.numpy(), np.float32), np.asarray(features.numpy(), np.float16)
        )

    def score_features(self, features: NDArray[np.float16]) -> NDArray[np.float32]:
        """Score stored features, `(n, feature_size)`, of any engine with the same base."""
        with tf.device(self._place):
            scores = self._run_head(tf.constant(features, tf.float32))
        return np.asarray(scores.numpy(), np.float32)


def _load(artifact: Artifact) -> keras.Model:
    """Open `network.keras` and compare its shapes with the manifest."""
    try:
        network = keras.models.load_model(artifact.file(NETWORK_FILE), compile=False)
        features = network.get_layer(FEATURES_LAYER).output
    except (OSError, ValueError, TypeError, KeyError) as exc:
        raise unusable(artifact, NETWORK_FILE, exc) from exc
    _, height, width, _ = network.input.shape
    require_shapes(
        artifact,
        NETWORK_FILE,
        (ANY if height is None else height, ANY if width is None else width),
        int(network.output.shape[-1]),
        int(features.shape[-1]),
    )
    return network


def _head_of(network: keras.Model, artifact: Artifact) -> keras.Model:
    """Return what stands behind the features as a network of its own, with the same weights."""
    try:
        return keras.Model(network.get_layer(FEATURES_LAYER).output, network.output)
    except (ValueError, KeyError) as exc:
        reason = "its scores do not follow from its features alone"
        raise unusable(artifact, NETWORK_FILE, reason) from exc


def _in_bfloat16(network: keras.Model) -> keras.Model:
    """Rebuild the network to compute in bfloat16; weights stay float32."""

    def narrowed(layer: keras.Layer) -> keras.Layer:
        config = layer.get_config()
        if layer.name not in FULL_WIDTH_LAYERS and not isinstance(layer, keras.layers.InputLayer):
            config["dtype"] = "mixed_bfloat16"
        return type(layer).from_config(config)

    clone = keras.models.clone_model(network, clone_function=narrowed)
    clone.set_weights(network.get_weights())
    return clone


def _grow_memory(gpu: tf.config.PhysicalDevice) -> None:
    """Let TensorFlow take memory as it needs it, not all of the GPU at once."""
    try:
        tf.config.experimental.set_memory_growth(gpu, True)
    except RuntimeError:
        return  # the GPU is in use already: too late, and harmless
