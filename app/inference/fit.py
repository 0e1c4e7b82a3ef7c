"""Whether a network is the one that its manifest describes.

Knows shapes and numbers; no OpenVINO, no TensorFlow and no weights.
"""

from pathlib import Path

import numpy as np

from app.errors import ArtifactError
from app.ports import Engine
from models.artifact import Artifact, BadArtifactError, load_artifact

ANY = -1
"""A size that a network leaves open."""


def open_artifact(path: Path) -> Artifact:
    """Open and verify the artifact in `path`.

    Raises:
        ArtifactError: It cannot be used; the message names path and reason.
    """
    try:
        return load_artifact(path)
    except BadArtifactError as exc:
        raise ArtifactError(str(exc)) from exc


def unusable(artifact: Artifact, file: str, reason: object) -> ArtifactError:
    """Return the error for one file of an artifact, its first line only."""
    lines = str(reason).strip().splitlines() or ["no reason given"]
    return ArtifactError(f"{artifact.path / file}: {lines[0]}")


def require_shapes(
    artifact: Artifact,
    file: str,
    input_size: tuple[int, int],
    score_count: int,
    feature_count: int,
) -> None:
    """Compare the shapes of a loaded network with what the manifest says.

    Args:
        artifact: Where it came from.
        file: The network's file, for the message.
        input_size: Height and width it takes; `ANY` where they are open.
        score_count: Length of a row of scores.
        feature_count: Length of a row of features.

    Raises:
        ArtifactError: They differ.
    """
    manifest = artifact.manifest
    spec = manifest.preprocessing
    wanted = (spec.height_px, spec.width_px)
    fits = all(found in (ANY, want) for found, want in zip(input_size, wanted, strict=True))
    if not fits:
        raise unusable(artifact, file, f"takes {input_size} pixels, the manifest says {wanted}")
    if score_count != len(manifest.tags):
        raise unusable(
            artifact, file, f"gives {score_count} scores for {len(manifest.tags)} trained tags"
        )
    if feature_count != manifest.feature_size:
        raise unusable(
            artifact,
            file,
            f"gives {feature_count} features, the manifest says {manifest.feature_size}",
        )


def require_scores(engine: Engine, artifact: Artifact) -> None:
    """Run one grey picture and look at what comes out; it warms the engine up as well.

    Raises:
        ArtifactError: The numbers are no scores: weights are damaged or of another activation.
    """
    spec = artifact.manifest.preprocessing
    found = engine.infer(np.full((1, spec.height_px, spec.width_px, 3), 127, np.uint8))
    scores = found.scores
    if not (np.isfinite(scores).all() and np.isfinite(found.features).all()):
        raise ArtifactError(f"{artifact.path}: the network gives numbers that are not finite")
    if scores.min() < 0 or scores.max() > 1:
        raise ArtifactError(f"{artifact.path}: the network gives scores outside 0 to 1")
    # bf16 carries 8 bits, so a row of 50 rounded scores may miss 1 by a few hundredths
    if artifact.manifest.activation == "softmax" and abs(float(scores.sum()) - 1) > 0.05:
        raise ArtifactError(f"{artifact.path}: softmax scores that do not sum to 1")
