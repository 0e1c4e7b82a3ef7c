"""Which engine runs the network here, and in which batches.

The only file that decides between OpenVINO and TensorFlow; imports either when it is chosen,
because looking costs seconds.
"""

import os
from importlib.util import find_spec
from pathlib import Path

from app.errors import ArtifactError
from app.inference.fit import open_artifact, require_scores
from app.ports import Engine
from models.artifact import Artifact

__all__ = ["batch_sizes_of", "choose_engine", "has_nvidia_device", "open_artifact"]

FIXED_SIZES = (1, 8, 32, 128, 512)
"""Batch sizes of an engine that compiles for each: four times larger each, or nearly."""


def choose_engine(
    artifact: Artifact, engine: str = "auto", precision: str = "auto", threads: int = 0
) -> Engine:
    """Load an artifact's network into the engine that suits this machine, and try it once.

    Args:
        artifact: Verified artifact; see `open_artifact`.
        engine: ``openvino``, ``tensorflow``, or ``auto``: TensorFlow where it sees a GPU, else
            OpenVINO.
        precision: ``fp32``, ``bf16``, or ``auto``: bf16 where the hardware computes in it.
        threads: Processor threads of OpenVINO; 0 means all.

    Raises:
        ArtifactError: The artifact cannot be used, or the engine is not installed; the message
            names path and reason.
    """
    if engine == "tensorflow" and not _has_tensorflow():
        raise ArtifactError(
            f"{artifact.path}: the engine tensorflow is asked for and not installed; "
            "install reeltag[train], or set REELTAG_ENGINE=openvino"
        )
    chosen: Engine
    if engine == "tensorflow" or (engine == "auto" and _tensorflow_sees_gpu()):
        from app.inference.tensorflow_engine import TensorFlowEngine

        chosen = TensorFlowEngine(artifact, precision)
    else:
        from app.inference.openvino_engine import OpenVinoEngine

        chosen = OpenVinoEngine(artifact, precision, threads)
    require_scores(chosen, artifact)
    return chosen


def batch_sizes_of(engine: Engine, max_batch_size: int) -> tuple[int, ...]:
    """Return the batch sizes that suit an engine.

    OpenVINO takes any size at the same speed, so nothing is padded; TensorFlow compiles for each
    size, so there are few.

    Args:
        engine: From `choose_engine`.
        max_batch_size: Most pictures run at once.
    """
    if engine.device.startswith("openvino"):
        from app.inference.openvino_engine import MAX_BATCH_SIZE

        return tuple(range(1, min(max_batch_size, MAX_BATCH_SIZE) + 1))
    return (*(size for size in FIXED_SIZES if size < max_batch_size), max_batch_size)


def has_nvidia_device() -> bool:
    """Return whether there may be an NVIDIA GPU, without loading anything to find out."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None and visible.strip() in {"", "-1"}:
        return False
    return visible is not None or any(Path("/dev").glob("nvidia[0-9]*"))


def _has_tensorflow() -> bool:
    return find_spec("tensorflow") is not None and find_spec("keras") is not None


def _tensorflow_sees_gpu() -> bool:
    if not (has_nvidia_device() and _has_tensorflow()):
        return False
    from app.inference.tensorflow_engine import sees_gpu

    return sees_gpu()
