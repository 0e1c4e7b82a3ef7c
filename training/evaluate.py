"""Figures of an artifact on one split: what `metrics.json` holds.

Scores through the artifact, with the preprocessing of its manifest. Knows no TensorFlow.
"""

import json
from pathlib import Path
from typing import Any

from models.artifact import METRICS_FILE, Artifact
from models.manifest import Manifest
from training.dataset import Collection, Split, target_rows
from training.errors import BadDataError
from training.metrics import measure
from training.scoring import CpuNetwork
from training.store import read_network_inputs


def evaluate(artifact: Artifact, collection: Collection, split: Split, out: Path) -> dict[str, Any]:
    """Measure a sealed artifact and write `metrics.json` into `out`.

    Args:
        artifact: A loaded artifact.
        collection: Pictures with tags; tags that the model does not know are left out.
        split: Which side of the split is measured.
        out: Directory, made if need be.

    Raises:
        BadDataError: That side has no picture with a tag of the model.
    """
    metrics = evaluate_directory(artifact.path, artifact.manifest, collection, split)
    out.mkdir(parents=True, exist_ok=True)
    (out / METRICS_FILE).write_text(json.dumps(metrics, indent=2) + "\n", encoding="utf-8")
    return metrics


def read_metrics(directory: Path) -> dict[str, Any]:
    """Read the figures of an artifact or of an evaluation."""
    found: dict[str, Any] = json.loads((directory / METRICS_FILE).read_text(encoding="utf-8"))
    return found


def evaluate_directory(
    directory: Path, manifest: Manifest, collection: Collection, split: Split
) -> dict[str, Any]:
    """As `evaluate`, for a directory that may not be sealed yet; writes nothing.

    Returns:
        As `metrics.measure`, with `split` and `rejected` (pictures that could not be read).
    """
    known = set(manifest.tags)
    pictures = [picture for picture in collection.of(split) if known & set(picture.tags)]
    files = [picture.file for picture in pictures]
    inputs, kept, rejected = read_network_inputs(files, manifest.preprocessing)
    if not len(kept):
        raise BadDataError(f"the {split} split has no readable picture with a tag of this model")
    scores, _ = CpuNetwork(directory)(inputs)
    truth = target_rows([pictures[i] for i in kept], manifest.tags, normalised=False)
    thresholds = [manifest.threshold_of(tag) for tag in manifest.tags]
    figures = measure(scores, truth, manifest.tags, thresholds)
    return {"split": split, "rejected": len(rejected), **figures}
