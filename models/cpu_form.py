"""The weights of an artifact as the CPU form wants them: one buffer, read from `network.keras`.

The CPU graph (`network.xml`) addresses its constants by offset. The first part of what it
addresses is `network.bin`; behind it come the datasets of `network.keras`, as they are stored, in
the order of `network.weights.json`. So the weights exist once on disk and serve both engines.
Knows the files' layout only: no TensorFlow, no OpenVINO.
"""

import io
import json
import zipfile
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from models.artifact import (
    CPU_CONSTANTS_FILE,
    CPU_WEIGHTS_FILE,
    NETWORK_FILE,
    Artifact,
    BadArtifactError,
)

KERAS_WEIGHTS_MEMBER = "model.weights.h5"
"""Name of the weights inside a `.keras` file (Keras 3 saving format)."""

ALIGNMENT = 64
"""Every dataset begins at a multiple of this; a cache line, and enough for any element type."""


def aligned(offset: int) -> int:
    """Return the first multiple of `ALIGNMENT` that is not below `offset`."""
    return -(-offset // ALIGNMENT) * ALIGNMENT


def read_cpu_weights(artifact: Artifact) -> NDArray[np.uint8]:
    """Return the buffer that belongs to the artifact's `network.xml`.

    Args:
        artifact: A loaded artifact.

    Returns:
        `(n,)` uint8: `network.bin`, then each dataset that `network.weights.json` lists. It must
        outlive every use of the graph, which reads from it without a copy.

    Raises:
        BadArtifactError: A file is damaged, or lists a dataset that is not there.
    """
    return read_weights_buffer(artifact.path)


def read_weights_buffer(path: Path) -> NDArray[np.uint8]:
    """As `read_cpu_weights`, for a directory that may not be sealed yet."""
    try:
        constants = (path / CPU_CONSTANTS_FILE).read_bytes()
        names = json.loads((path / CPU_WEIGHTS_FILE).read_text(encoding="utf-8"))
        with zipfile.ZipFile(path / NETWORK_FILE) as network:
            stored = io.BytesIO(network.read(KERAS_WEIGHTS_MEMBER))
        with h5py.File(stored, "r") as weights:
            datasets = [weights[name] for name in names]
            sizes = [dataset.size * dataset.dtype.itemsize for dataset in datasets]
            starts = dataset_offsets(len(constants), sizes)
            buffer = np.zeros(starts[-1] + sizes[-1] if names else len(constants), np.uint8)
            buffer[: len(constants)] = np.frombuffer(constants, np.uint8)
            for dataset, start, size in zip(datasets, starts, sizes, strict=True):
                buffer[start : start + size] = dataset[()].reshape(-1).view(np.uint8)
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as exc:
        raise BadArtifactError(path, f"the CPU form cannot be read: {exc}") from exc
    return buffer


def dataset_offsets(constants_bytes: int, sizes: list[int]) -> list[int]:
    """Return where each dataset begins in the buffer, in bytes."""
    offsets, end = [], constants_bytes
    for size in sizes:
        offsets.append(aligned(end))
        end = offsets[-1] + size
    return offsets
