"""Figures of an artifact on one split: what `metrics.json` holds.

Scores through the artifact, with the preprocessing of its manifest. Knows no TensorFlow.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.artifact import METRICS_FILE, Artifact
from models.manifest import Manifest
from training.calibration import calibration
from training.confusion import RULE, confusion_matrix, strongest_pairs, write_matrix
from training.dataset import Collection, LabelledPicture, Split, target_rows
from training.errors import BadDataError
from training.metrics import SUPPORT_FLOOR, Scores, Truth, measure
from training.scoring import CpuNetwork, scores_of_views
from training.store import read_network_inputs

CONFUSION_FILE = "confusion.csv"

LEARNED_AP = 0.5
"""From here on a tag counts as learned: in its ranking, what is above a true picture is on average
right as often as not."""

LEARNED_RULE = (
    f"learned: average precision of {LEARNED_AP} or more over {SUPPORT_FLOOR} pictures or more; "
    "with fewer pictures it cannot be told"
)
DEFAULT_THRESHOLD_RULE = (
    "a tag without a threshold in the manifest is believed at twice chance, at most 0.5: 2 / tags "
    "for softmax, 0.5 for sigmoid"
)


@dataclass(frozen=True, slots=True)
class Scored:
    """One split as a network sees it.

    Attributes:
        pictures: Those that could be read and have a tag of the model, a row each.
        scores: `(pictures, tags)`.
        truth: Same shape, 1 where a tag is known to apply.
        rejected: Pictures that could not be read.
        mirror_views: Whether scores are means over the picture and its mirrored self.
    """

    pictures: tuple[LabelledPicture, ...]
    scores: Scores
    truth: Truth
    rejected: int
    mirror_views: bool = False


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What was measured, and from what.

    Attributes:
        metrics: As `metrics.json`.
        scored: The split as the network sees it.
        baseline: Scores of the baseline for the same rows; None when it was not asked for.
    """

    metrics: dict[str, Any]
    scored: Scored
    baseline: Scores | None = None


def evaluate(
    artifact: Artifact,
    collection: Collection,
    split: Split,
    out: Path | None,
    *,
    mirror_views: bool = False,
    with_baseline: bool = False,
) -> Evaluation:
    """Measure a sealed artifact.

    Args:
        artifact: A loaded artifact.
        collection: Pictures with tags; tags that the model does not know are left out.
        split: Which side of the split is measured.
        out: Directory, made if need be, that gets `metrics.json` and `confusion.csv`; None writes
            nothing.
        mirror_views: Average the scores of each picture with those of its mirrored self.
        with_baseline: Train the baseline on the train split and measure it on the same pictures.

    Raises:
        BadDataError: That side has no picture with a tag of the model, or the baseline has nothing
            to learn from.
    """
    manifest, scores = artifact.manifest, None
    scored = score_split(artifact.path, manifest, collection, split, mirror_views=mirror_views)
    metrics = figures_of(scored, manifest, split)
    if with_baseline:
        from training.baseline import measure_baseline

        scores, metrics["baseline"] = measure_baseline(
            collection, manifest.tags, scored.pictures, scored.truth, metrics
        )
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        (out / METRICS_FILE).write_text(json.dumps(metrics, indent=2) + "\n", encoding="utf-8")
        matrix = confusion_matrix(scored.scores, scored.truth)
        write_matrix(out / CONFUSION_FILE, matrix, manifest.tags)
    return Evaluation(metrics, scored, scores)


def read_metrics(directory: Path) -> dict[str, Any]:
    """Read the figures of an artifact or of an evaluation."""
    found: dict[str, Any] = json.loads((directory / METRICS_FILE).read_text(encoding="utf-8"))
    return found


def evaluate_directory(
    directory: Path, manifest: Manifest, collection: Collection, split: Split
) -> dict[str, Any]:
    """Return the figures of a directory that may not be sealed yet; see `figures_of`."""
    return figures_of(score_split(directory, manifest, collection, split), manifest, split)


def score_split(
    directory: Path,
    manifest: Manifest,
    collection: Collection,
    split: Split,
    *,
    mirror_views: bool = False,
) -> Scored:
    """Read and score one split.

    Args:
        directory: Holds the artifact's files; need not be sealed.
        manifest: Of the artifact.
        collection: As `evaluate`.
        split: As `evaluate`.
        mirror_views: As `evaluate`.

    Raises:
        BadDataError: That side has no readable picture with a tag of the model.
    """
    known = set(manifest.tags)
    pictures = [picture for picture in collection.of(split) if known & set(picture.tags)]
    files = [picture.file for picture in pictures]
    inputs, kept, rejected = read_network_inputs(files, manifest.preprocessing)
    if not len(kept):
        raise BadDataError(f"the {split} split has no readable picture with a tag of this model")
    readable = tuple(pictures[i] for i in kept)
    return Scored(
        pictures=readable,
        scores=scores_of_views(CpuNetwork(directory), inputs, mirror_views=mirror_views),
        truth=target_rows(readable, manifest.tags, normalised=False),
        rejected=len(rejected),
        mirror_views=mirror_views,
    )


def figures_of(scored: Scored, manifest: Manifest, split: Split) -> dict[str, Any]:
    """Return what `metrics.json` holds.

    Returns:
        As `metrics.measure`, with `split`, `rejected`, `views` (1, or 2 with the mirrored one),
        `thresholds` (which rule each tag's comes from), `calibration` (as `calibration.calibration`
        with the manifest's temperature, which is in the scores already), `confusion` (the strongest
        pairs) and `tags_learned`.
    """
    tags, scores, truth = manifest.tags, scored.scores, scored.truth
    thresholds = [manifest.threshold_of(tag) for tag in tags]
    figures = measure(scores, truth, tags, thresholds)
    for tag, threshold in zip(tags, thresholds, strict=True):
        figures["per_tag"][tag]["threshold"] = round(threshold, 6)
    return {
        "split": split,
        "rejected": scored.rejected,
        "views": 2 if scored.mirror_views else 1,
        **figures,
        "thresholds": {
            "default_rule": DEFAULT_THRESHOLD_RULE,
            "default_tags": [t for t in tags if t not in manifest.calibration.thresholds],
        },
        "calibration": {
            "temperature": manifest.calibration.temperature,
            **calibration(scores, truth),
        },
        "confusion": {
            "rule": RULE,
            "pairs": strongest_pairs(confusion_matrix(scores, truth), truth, tags),
        },
        "tags_learned": tags_learned(figures["per_tag"]),
    }


def tags_learned(per_tag: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Sort tags into learned, not learned and not to be told; see `LEARNED_RULE`."""
    enough = {tag: row for tag, row in per_tag.items() if row["support"] >= SUPPORT_FLOOR}
    return {
        "rule": LEARNED_RULE,
        "learned": [tag for tag, row in enough.items() if row["ap"] >= LEARNED_AP],
        "not_learned": [tag for tag, row in enough.items() if row["ap"] < LEARNED_AP],
        "not_to_be_told": [tag for tag in per_tag if tag not in enough],
    }
