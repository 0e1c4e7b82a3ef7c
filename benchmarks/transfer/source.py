"""The source base: trained from scratch on the source tags by the project's own recipe, or read.

Knows `training` and one folder; knows nothing of the target tags.
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from training.config import TrainConfig
from training.dataset import Collection
from training.errors import BaseWeightsError
from training.network import base_weights, new_network
from training.train import TAGS_FILE, train

WEIGHTS_FILE = "network.weights.h5"


def source_tags(folder: Path) -> tuple[str, ...]:
    """Return the tags that a base was trained on.

    Raises:
        BaseWeightsError: The folder holds no base.
    """
    lacking = [name for name in (WEIGHTS_FILE, TAGS_FILE) if not (folder / name).is_file()]
    if lacking:
        raise BaseWeightsError(f"{folder}: no {' and no '.join(lacking)}")
    return tuple(json.loads((folder / TAGS_FILE).read_text(encoding="utf-8")))


def weights_digest(folder: Path) -> str:
    """Name the base in a folder by the bytes of its weights file."""
    return hashlib.sha256((folder / WEIGHTS_FILE).read_bytes()).hexdigest()[:16]


def train_source(
    collection: Collection,
    config: TrainConfig,
    steps: int,
    folder: Path,
    say: Callable[[str], None],
) -> None:
    """Train a base from scratch, or go on where an earlier start was cut short.

    The last of its files to appear is `WEIGHTS_FILE`: where it lies, nothing is left to do. The
    best epoch on the source tags' own validation pictures is kept.

    Args:
        collection: Pictures of the source tags only.
        config: Its epochs are replaced.
        steps: Training steps, rounded up to whole epochs.
        folder: The run's directory.
        say: Gets a line after every epoch.
    """
    file = folder / WEIGHTS_FILE
    if file.is_file():
        return
    pictures = len(collection.of("train"))
    an_epoch = max(1, pictures // min(config.batch_size, max(1, pictures)))
    network, _ = train(collection, config_for(config, -(-steps // an_epoch)), folder, say=say)
    part = folder / f"part.{WEIGHTS_FILE}"
    network.save_weights(part)
    part.replace(file)


def config_for(config: TrainConfig, epochs: int) -> TrainConfig:
    """Return the choices with so many epochs, a short run with a warm-up that fits."""
    return replace(config, epochs=epochs, warmup_epochs=min(config.warmup_epochs, epochs / 10))


def read_base(folder: Path, config: TrainConfig) -> list[np.ndarray]:
    """Return the weights of the base in a folder, in the order of `network.base_weights`.

    Raises:
        BaseWeightsError: The file is not one of `network.build_network` with these tags.
    """
    network = new_network(config, len(source_tags(folder)))
    try:
        network.load_weights(folder / WEIGHTS_FILE)
    except (OSError, ValueError) as exc:
        raise BaseWeightsError(f"{folder / WEIGHTS_FILE}: {exc}") from exc
    return base_weights(network)
