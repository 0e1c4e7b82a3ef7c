"""The network: Inception-v3 without its top, pooled, then Dropout, Dense ReLU, Dense tags.

Stock Keras layers only, scaling to [-1, 1] inside, so that the exported file loads without this
project. Knows no pictures and no files of the project except weights handed to it.
"""

import hashlib
from collections.abc import Iterable
from pathlib import Path

import h5py
import keras
import numpy as np

from models.artifact import NETWORK_FILE
from training.config import IMAGENET_BASE, NO_BASE, Head, TrainConfig
from training.errors import BaseWeightsError

FEATURES_LAYER = "features"
"""Name of the layer whose output is the 2048 penultimate features."""

HIDDEN_LAYER = "hidden"
LOGITS_LAYER = "logits"
SCORES_LAYER = "scores"


def set_precision(precision: str) -> None:
    """Choose the width that layers compute in; weights stay float32.

    Must be called right before a network is built: `keras.backend.clear_session()` resets the
    choice to float32 without a word.
    """
    is_half = precision in ("bfloat16", "float16")
    keras.config.set_dtype_policy(f"mixed_{precision}" if is_half else "float32")


def check_precision(network: keras.Model, precision: str) -> None:
    """Make sure that every convolution computes in `precision` and keeps float32 weights.

    Raises:
        RuntimeError: One does not; Keras was told otherwise in between.
    """
    layers = [one for one in base_layers(network) if isinstance(one, keras.layers.Conv2D)]
    for layer in layers:
        if (layer.compute_dtype, layer.variable_dtype) != (precision, "float32"):
            raise RuntimeError(
                f"{layer.name} computes in {layer.compute_dtype}, not in the chosen {precision}"
            )


def build_network(
    tags: int,
    *,
    input_px: int | None = None,
    dropout: float = 0.4,
    hidden_units: int = 512,
    head: Head = "softmax",
    precision: str = "float32",
) -> keras.Model:
    """Build the network with random weights.

    Args:
        tags: Number of outputs.
        input_px: Side of the input; None takes any size (training with growing pictures).
        dropout: Share of the features left out in training.
        hidden_units: Width of the ReLU layer.
        head: ``softmax`` or ``sigmoid``.
        precision: ``bfloat16``, ``float16`` or ``float32``.

    Returns:
        `(batch, height, width, 3)` uint8 RGB -> `(batch, tags)` float32 scores in [0, 1]; softmax
        rows sum to 1. The layer `features` gives `(batch, 2048)`.
    """
    set_precision(precision)
    inputs = keras.Input((input_px, input_px, 3), dtype="uint8", name="pictures")
    scaled = keras.layers.Rescaling(1 / 127.5, offset=-1, name="scaling")(inputs)
    base = keras.applications.InceptionV3(include_top=False, weights=None, input_tensor=scaled)
    features = keras.layers.GlobalAveragePooling2D(name=FEATURES_LAYER)(base.output)
    dropped = keras.layers.Dropout(dropout, name="dropout")(features)
    hidden = keras.layers.Dense(hidden_units, activation="relu", name=HIDDEN_LAYER)(dropped)
    logits = keras.layers.Dense(tags, dtype="float32", name=LOGITS_LAYER)(hidden)
    scores = keras.layers.Activation(head, dtype="float32", name=SCORES_LAYER)(logits)
    network = keras.Model(inputs, scores, name="reeltag")
    check_precision(network, precision)
    return network


def base_layers(network: keras.Model) -> list[keras.layers.Layer]:
    """Return the layers before `features`, in the order of the graph."""
    names = [layer.name for layer in network.layers]
    return list(network.layers[: names.index(FEATURES_LAYER)])


def base_weights(network: keras.Model) -> list[np.ndarray]:
    """Return the weights of the convolutional base, in the order of the graph."""
    return [weight for layer in base_layers(network) for weight in layer.get_weights()]


def base_id(network: keras.Model) -> str:
    """Name the convolutional base by its weights: equal ids mean comparable features.

    Weights are hashed as the float16 that an artifact stores, so the id survives saving.

    Returns:
        The first 32 hexadecimal digits of a SHA-256.
    """
    digest = hashlib.sha256()
    for weight in base_weights(network):
        digest.update(np.asarray(weight, np.float32).astype("<f2").tobytes())
    return digest.hexdigest()[:32]


def load_base(network: keras.Model, base: str, weights_file: Path | None = None) -> None:
    """Fill the convolutional base from earlier work.

    Args:
        network: Changed in place.
        base: ``none`` (stays random), ``imagenet``, or the path of an artifact, of a `.keras`
            file, or of a `.h5` file with Keras' own weights without top.
        weights_file: A file that stands in for what ``imagenet`` would fetch.

    Raises:
        BaseWeightsError: The weights cannot be had or do not fit. The network is unchanged or
            partly filled; do not train it.
    """
    if base == NO_BASE:
        return
    if base == IMAGENET_BASE and weights_file is None:
        _copy(_imagenet().get_weights(), network, "the ImageNet weights")
        return
    file = weights_file if base == IMAGENET_BASE and weights_file else Path(base)
    if file.is_dir():
        file = file / NETWORK_FILE
    if not file.is_file():
        raise BaseWeightsError(f"{file}: no such file; --base is none, imagenet or a path")
    try:
        if file.suffix == ".keras":
            source = keras.models.load_model(file, compile=False)
            weights = base_weights(source)
        else:
            if not h5py.is_hdf5(file):
                raise ValueError("not an HDF5 file")
            source = keras.applications.InceptionV3(include_top=False, weights=None)
            source.load_weights(file)
            weights = source.get_weights()
    except (OSError, ValueError) as exc:
        raise BaseWeightsError(f"{file}: not weights of an Inception-v3 base: {exc}") from exc
    _copy(weights, network, str(file))


def freeze_below(network: keras.Model, first_layer: str) -> None:
    """Let only the base from `first_layer` on learn; batch norms of the base stay as they are.

    Args:
        network: Changed in place.
        first_layer: A layer of the base, for example ``mixed7``; empty lets everything learn.

    Raises:
        BaseWeightsError: The base has no layer of that name.
    """
    if not first_layer:
        return
    layers = base_layers(network)
    names = [layer.name for layer in layers]
    if first_layer not in names:
        blocks = ", ".join(name for name in names if name.startswith("mixed"))
        raise BaseWeightsError(f"the base has no layer {first_layer!r}; blocks end at {blocks}")
    start = names.index(first_layer)
    for index, layer in enumerate(layers):
        is_norm = isinstance(layer, keras.layers.BatchNormalization)
        layer.trainable = index >= start and not is_norm


def new_network(config: TrainConfig, tags: int) -> keras.Model:
    """Build the network that `config` asks for, ready to learn, for inputs of any size."""
    keras.utils.set_random_seed(config.seed)
    network = build_network(
        tags,
        dropout=config.dropout,
        hidden_units=config.hidden_units,
        head=config.head,
        precision=config.precision,
    )
    freeze_below(network, config.unfreeze_from)
    return network


def reseed_dropout(network: keras.Model, seed: int, epoch: int) -> None:
    """Make chance in this epoch follow from seed and epoch alone, so a resumed run repeats it.

    Keras does not save the state of a layer's random numbers with its weights.
    """
    for layer in dropouts(network):
        layer.seed_generator.state.assign(np.array([seed, epoch << 16], np.uint32))


def dropouts(network: keras.Model) -> list[keras.layers.Dropout]:
    """Return the layers that draw random numbers; with a share of 0 one has no numbers."""
    found = [layer for layer in network.layers if isinstance(layer, keras.layers.Dropout)]
    return [layer for layer in found if layer.rate > 0]


def _copy(weights: Iterable[np.ndarray], network: keras.Model, name: str) -> None:
    found = list(weights)
    wanted = [weight for layer in base_layers(network) for weight in layer.weights]
    if [tuple(one.shape) for one in found] != [tuple(one.shape) for one in wanted]:
        raise BaseWeightsError(f"{name}: these weights are not those of an Inception-v3 base")
    for variable, value in zip(wanted, found, strict=True):
        variable.assign(value)


def _imagenet() -> keras.Model:
    try:
        return keras.applications.InceptionV3(include_top=False, weights="imagenet")
    except Exception as exc:  # Keras raises whatever the download raised
        raise BaseWeightsError(
            "the ImageNet weights could not be fetched "
            f"({exc}); where there is no internet, fetch "
            "inception_v3_weights_tf_dim_ordering_tf_kernels_notop.h5 (named in the Keras "
            "documentation of InceptionV3) elsewhere and give it with --base-weights FILE"
        ) from exc
