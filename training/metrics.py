"""How good a table of scores is: hits at k, average precision, precision and recall per tag.

Knows arrays only. Which files the scores came from, and by which network, is not its business.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Scores = NDArray[np.float32]
"""`(pictures, tags)`, higher is surer."""

Truth = NDArray[np.float32]
"""`(pictures, tags)`, 1 where the tag is known to apply. A 0 is no proof that it does not."""

Row = dict[str, float | int | None]
"""Figures of one tag by name."""

SUPPORT_FLOOR = 20
"""Tags with fewer pictures in the measured split swing too much to be averaged."""


def hit_at(scores: Scores, truth: Truth, k: int) -> float:
    """Return the share of pictures with at least one true tag among their `k` best."""
    best = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    return float(np.take_along_axis(truth, best, axis=1).max(axis=1).mean())


def average_precision(scores: NDArray[np.float32], truth: NDArray[np.float32]) -> float:
    """Return the mean of the precisions at each distinct score, weighted by the recall gained.

    Args:
        scores: `(n,)`.
        truth: `(n,)` of 0 and 1.

    Returns:
        In [0, 1]; `nan` when nothing is true.

    Source:
        Without interpolation, equal scores counted together, as scikit-learn's
        `average_precision_score`.
    """
    positives = truth.sum()
    if positives == 0:
        return float("nan")
    order = np.argsort(-scores, kind="stable")
    sorted_scores, sorted_truth = scores[order], truth[order]
    last_of_equals = np.append(np.flatnonzero(np.diff(sorted_scores)), len(scores) - 1)
    hits = np.cumsum(sorted_truth, dtype=np.float64)[last_of_equals]
    gained = np.diff(hits, prepend=0.0)
    return float((hits / (last_of_equals + 1) * gained).sum() / positives)


def measure(
    scores: Scores, truth: Truth, tags: Sequence[str], thresholds: Sequence[float]
) -> dict[str, Any]:
    """Measure scores against known tags.

    Args:
        scores: One row per picture.
        truth: Same shape.
        tags: Names of the columns.
        thresholds: For each tag the score at and above which it is believed; precision and recall
            are taken there.

    Returns:
        What `metrics.json` holds: `hit_at_1 hit_at_3 macro_map macro_map_min20 micro_map macro_f1
        micro_f1 pictures per_tag`. `macro_map` averages the tags that have pictures here,
        `macro_map_min20` those with `SUPPORT_FLOOR` or more; `macro_f1` those with pictures, and
        `micro_f1` is of all picture-tag pairs, each tag at its own threshold. A figure that does
        not exist is None.
    """
    per_tag: dict[str, Row] = {}
    for column, (tag, threshold) in enumerate(zip(tags, thresholds, strict=True)):
        found, known = scores[:, column], truth[:, column]
        per_tag[tag] = {
            "ap": _known(average_precision(found, known)),
            **_at_threshold(found, known, threshold),
        }
    believed = scores >= np.asarray(thresholds)
    return {
        "hit_at_1": _known(hit_at(scores, truth, 1)),
        "hit_at_3": _known(hit_at(scores, truth, 3)),
        "macro_map": _mean(per_tag, "ap", 1),
        "macro_map_min20": _mean(per_tag, "ap", SUPPORT_FLOOR),
        "micro_map": _known(average_precision(scores.ravel(), truth.ravel())),
        "macro_f1": _mean(per_tag, "f1", 1),
        "micro_f1": _known(_f1(float(truth[believed].sum()), believed.sum(), truth.sum())),
        "pictures": len(scores),
        "per_tag": per_tag,
    }


def measure_known(
    scores: Scores,
    holds: Truth,
    holds_not: Truth,
    tags: Sequence[str],
    thresholds: Sequence[float],
) -> dict[str, Any]:
    """Measure scores where only some tags of each picture are known.

    As `measure`, but a tag is measured over the pictures of which it is known, hits over those
    with a tag known to hold; an average precision needs pictures of both kinds. `micro_map` runs
    over all known picture-tag pairs.

    Args:
        scores: One row per picture.
        holds: Same shape, 1 where a tag is known to hold.
        holds_not: Same shape, 1 where it is known not to.
        tags: Names of the columns.
        thresholds: As `measure`.
    """
    per_tag: dict[str, Row] = {}
    for column, (tag, threshold) in enumerate(zip(tags, thresholds, strict=True)):
        rows = np.flatnonzero(holds[:, column] + holds_not[:, column])
        found, truth = scores[rows, column], holds[rows, column]
        is_ranked = 0 < truth.sum() < len(rows)
        per_tag[tag] = {
            "ap": _known(average_precision(found, truth)) if is_ranked else None,
            **_at_threshold(found, truth, threshold),
        }
    positive = holds.any(axis=1)
    known = (holds + holds_not).astype(bool)
    believed = (scores >= np.asarray(thresholds)) & known
    return {
        **{
            f"hit_at_{k}": _known(hit_at(scores[positive], holds[positive], k))
            if positive.any()
            else None
            for k in (1, 3)
        },
        "macro_map": _mean(per_tag, "ap", 1),
        "macro_map_min20": _mean(per_tag, "ap", SUPPORT_FLOOR),
        "micro_map": _known(average_precision(scores[known], holds[known])),
        "macro_f1": _mean(per_tag, "f1", 1),
        "micro_f1": _known(_f1(float(holds[believed].sum()), believed.sum(), holds.sum())),
        "pictures": len(scores),
        "per_tag": per_tag,
    }


def best_f1_threshold(scores: NDArray[np.float32], truth: NDArray[np.float32]) -> float | None:
    """Return the score at and above which believing a tag gives the best F1.

    Args:
        scores: `(n,)`.
        truth: `(n,)` of 0 and 1.

    Returns:
        Halfway to the next lower score, so that rounding does not matter; None when nothing is
        true.
    """
    positives = truth.sum()
    if positives == 0:
        return None
    order = np.argsort(-scores, kind="stable")
    ranked, hits = scores[order], np.cumsum(truth[order], dtype=np.float64)
    last_of_equals = np.append(np.flatnonzero(np.diff(ranked)), len(ranked) - 1)
    f1 = 2 * hits[last_of_equals] / (last_of_equals + 1 + positives)
    return _below(ranked, int(last_of_equals[int(f1.argmax())]))


def precision_threshold(
    scores: NDArray[np.float32], truth: NDArray[np.float32], precision: float
) -> float | None:
    """Return the lowest score at and above which a tag is right often enough.

    Args:
        scores: `(n,)`.
        truth: `(n,)` of 0 and 1.
        precision: Share of the believed that must be right, above 0 and at most 1.

    Returns:
        Halfway to the next lower score; None when no score reaches that precision.
    """
    order = np.argsort(-scores, kind="stable")
    ranked, hits = scores[order], np.cumsum(truth[order], dtype=np.float64)
    last_of_equals = np.append(np.flatnonzero(np.diff(ranked)), len(ranked) - 1)
    enough = np.flatnonzero(hits[last_of_equals] >= precision * (last_of_equals + 1))
    return _below(ranked, int(last_of_equals[enough[-1]])) if len(enough) else None


def precision_recall(
    scores: NDArray[np.float32], truth: NDArray[np.float32]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return recall and precision at each distinct score, the highest first, `(points,)` each.

    Args:
        scores: `(n,)`.
        truth: `(n,)` of 0 and 1, one of them at least 1.
    """
    order = np.argsort(-scores, kind="stable")
    ranked, hits = scores[order], np.cumsum(truth[order], dtype=np.float64)
    last_of_equals = np.append(np.flatnonzero(np.diff(ranked)), len(ranked) - 1)
    return hits[last_of_equals] / hits[-1], hits[last_of_equals] / (last_of_equals + 1)


def _at_threshold(scores: NDArray[np.float32], truth: NDArray[np.float32], threshold: float) -> Row:
    """Return precision, recall, F1 and support of one tag."""
    believed, support = scores >= threshold, int(truth.sum())
    right = float(truth[believed].sum())
    return {
        "precision": _known(right / believed.sum() if believed.any() else float("nan")),
        "recall": _known(right / support if support else float("nan")),
        "f1": _known(_f1(right, int(believed.sum()), support)) if support else None,
        "support": support,
    }


def _f1(right: float, believed: float, true: float) -> float:
    """Return the harmonic mean of precision and recall; `nan` when nothing is true."""
    return 2 * right / (believed + true) if true else float("nan")


def _below(ranked: NDArray[np.float32], cut: int) -> float:
    """Return the middle between the score at `cut` and the next, so that rounding is no matter."""
    below = float(ranked[cut + 1]) if cut + 1 < len(ranked) else 0.0
    return (float(ranked[cut]) + below) / 2


def _mean(per_tag: dict[str, Row], figure: str, floor: int) -> float | None:
    values = [row[figure] for row in per_tag.values() if (row["support"] or 0) >= floor]
    known = [value for value in values if value is not None]
    return _known(float(np.mean(known))) if known else None


def _known(value: float) -> float | None:
    return None if np.isnan(value) else round(float(value), 6)
