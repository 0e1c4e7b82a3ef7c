"""The head's first lessons: on features that the base computes once per picture and view.

A view is the picture as it is or mirrored. Features are kept on disk by base id, view and
pictures, so a second run over the same base and pictures computes none. Knows the network's
layer names and the store; knows no validation and no checkpoints.
"""

import hashlib
from pathlib import Path
from typing import Literal, get_args

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from models.preprocessing import PreprocessingSpec, to_network_input
from training.batches import TrainBatches
from training.config import TrainConfig
from training.network import FEATURES_LAYER, LOGITS_LAYER, base_id
from training.replicas import Replicas
from training.steps import TrainStep, build_optimizer, build_train_step
from training.store import PictureStore

View = Literal["plain", "mirrored"]
VIEWS: tuple[View, ...] = get_args(View)

Features = NDArray[np.float16]
"""`(pictures, 2048)`."""

HEAD_BATCH = 256
"""The head is small: larger batches than for the whole network keep it busy."""

HEAD_RATE = 1e-3
"""Learning rate of the head alone; Adam's usual one (Kingma & Ba 2015, section 2)."""

_BATCH = 32


def read_features(
    network: keras.Model, store: PictureStore, view: View, px: int, cache_dir: Path
) -> Features:
    """Return the features of every picture in the store, computing them the first time only.

    Args:
        network: Its base computes the features.
        store: The pictures.
        view: Mirrored or not.
        px: Side of the network input.
        cache_dir: Where features are kept.
    """
    cache_dir.mkdir(parents=True, exist_ok=True)
    key = hashlib.sha256(f"{base_id(network)}:{view}:{px}:{store.name}".encode()).hexdigest()
    file = cache_dir / f"features-{key[:16]}.npy"
    if not file.is_file():
        part = file.with_suffix(".part")
        with part.open("wb") as stream:
            np.save(stream, _compute(network, store, view, px))
        part.replace(file)
    found: Features = np.load(file)
    return found


def train_head(
    network: keras.Model,
    batches: TrainBatches,
    config: TrainConfig,
    cache_dir: Path,
    replicas: Replicas | None = None,
) -> float:
    """Let only the head learn, for `config.head_epochs` passes over both views.

    Args:
        network: Its head is changed in place, its base is not.
        batches: Give the training pictures, their targets and weights.
        config: Head epochs, smoothing, dropout, seed.
        cache_dir: As `read_features`.
        replicas: In whose scope the network was made; None: one device.

    Returns:
        Mean loss of the last pass.
    """
    shared = replicas or Replicas()
    store = batches.store
    views = VIEWS if config.mirror else VIEWS[:1]
    features = np.concatenate(
        [read_features(network, store, view, config.size_px(0), cache_dir) for view in views]
    )
    rows = np.tile(np.arange(len(store)), len(views))
    head = head_of(network)
    with shared.scope():
        optimizer = build_optimizer(config, head)
    optimizer.learning_rate.assign(HEAD_RATE)
    step = build_train_step(config, head, optimizer, shared)
    batch_size = min(HEAD_BATCH, len(features))
    loss = 0.0
    for epoch in range(config.head_epochs):
        order = np.random.default_rng((config.seed, epoch)).permutation(len(features))
        order = order[: len(order) // batch_size * batch_size].reshape(-1, batch_size)
        loss = _pass(step, features, batches.targets[rows], batches.weights[rows], order)
    return loss


def _pass(
    step: TrainStep,
    features: Features,
    targets: NDArray[np.float32],
    weights: NDArray[np.float32],
    order: NDArray[np.int64],
) -> float:
    losses = [float(step(features[part], targets[part], weights[part])) for part in order]
    return float(np.mean(losses))


def head_of(network: keras.Model) -> keras.Model:
    """Return a network from features to logits that shares its layers with `network`."""
    names = [layer.name for layer in network.layers]
    features = keras.Input(network.get_layer(FEATURES_LAYER).output.shape[1:], dtype="float16")
    node = features
    for layer in network.layers[names.index(FEATURES_LAYER) + 1 : names.index(LOGITS_LAYER) + 1]:
        node = layer(node)
    return keras.Model(features, node, name="head")


def _compute(network: keras.Model, store: PictureStore, view: View, px: int) -> Features:
    base = keras.Model(network.input, network.get_layer(FEATURES_LAYER).output)
    call = tf.function(lambda inputs: base(inputs, training=False))
    spec = PreprocessingSpec(width_px=px, height_px=px)
    features = np.empty((len(store), base.output.shape[-1]), np.float16)
    for start in range(0, len(store), _BATCH):
        numbers = range(start, min(start + _BATCH, len(store)))
        pictures = [store[number] for number in numbers]
        if view == "mirrored":
            pictures = [picture[:, ::-1] for picture in pictures]
        inputs = np.stack([to_network_input(picture, spec) for picture in pictures])
        features[numbers.start : numbers.stop] = np.asarray(call(tf.constant(inputs)), np.float32)
    return features
