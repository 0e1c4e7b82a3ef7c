"""Scores that mean something: one temperature for all tags, one threshold for each.

Both are fitted on the validation split, never on the test split; the curve tells on any split
whether scores mean what they say. Knows arrays only.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.config import Head
from training.metrics import best_f1_threshold, precision_threshold

_TEMPERATURES = np.exp(np.linspace(np.log(0.3), np.log(4.0), 200))
"""Tried one by one: the curve has one valley and 200 points place it within 1.3 %."""

MIN_SUPPORT = 5
"""With fewer validation pictures a tag's own threshold would be a guess."""

BINS = 15
"""Of the calibration curve, equally wide (Guo et al. 2017, section 4)."""


def fit_temperature(logits: NDArray[np.float32], truth: NDArray[np.float32], head: Head) -> float:
    """Return what to divide logits by so that the validation split is least surprising.

    Args:
        logits: `(n, tags)`.
        truth: `(n, tags)`, 1 where a tag applies.
        head: ``softmax``: rows of `truth` are normalised first; ``sigmoid``: each tag alone.

    Source:
        Guo et al. 2017, "On Calibration of Modern Neural Networks", section 4.2.
    """
    losses = [_surprise(logits / temperature, truth, head) for temperature in _TEMPERATURES]
    return round(float(_TEMPERATURES[int(np.argmin(losses))]), 4)


def fit_thresholds(
    scores: NDArray[np.float32],
    truth: NDArray[np.float32],
    tags: Sequence[str],
    *,
    precision: float | None = None,
) -> dict[str, float]:
    """Return for each tag the score at and above which it is believed.

    A tag with fewer than `MIN_SUPPORT` pictures gets the median of the others.

    Args:
        scores: `(n, tags)`, of the validation split.
        truth: Same shape, 1 where a tag applies.
        tags: Names of the columns.
        precision: Share of the believed that must be right: the lowest score that reaches it is
            taken. None, and a tag that never reaches it: the score with the best F1.
    """
    fitted: dict[str, float | None] = {}
    for column, tag in enumerate(tags):
        found, known = scores[:, column], truth[:, column]
        if known.sum() < MIN_SUPPORT:
            continue
        asked = precision_threshold(found, known, precision) if precision else None
        fitted[tag] = best_f1_threshold(found, known) if asked is None else asked
    believable = [value for value in fitted.values() if value is not None]
    fallback = float(np.median(believable)) if believable else 2 / max(len(tags), 4)
    thresholds = {tag: fitted.get(tag) for tag in tags}
    return {
        tag: round(fallback if value is None else float(value), 4)
        for tag, value in thresholds.items()
    }


def calibration_curve(scores: NDArray[np.float32], truth: NDArray[np.float32]) -> dict[str, Any]:
    """Compare scores with the share of them that is right.

    Args:
        scores: `(n,)` in [0, 1].
        truth: `(n,)` of 0 and 1.

    Returns:
        `ece`, the expected calibration error in [0, 1]: the mean distance between score and share,
        weighted by `count`; and `bins`, those of `BINS` that are not empty, lowest first, each
        `low high count score share` with the means of its scores and of its truth.

    Source:
        Guo et al. 2017, section 2, equations 3 and 5.
    """
    place = np.minimum((scores * BINS).astype(np.int64), BINS - 1)
    bins = [
        {
            "low": round(number / BINS, 4),
            "high": round((number + 1) / BINS, 4),
            "count": int((place == number).sum()),
            "score": round(float(scores[place == number].mean()), 6),
            "share": round(float(truth[place == number].mean()), 6),
        }
        for number in range(BINS)
        if (place == number).any()
    ]
    apart = sum(item["count"] * abs(item["score"] - item["share"]) for item in bins)
    return {"ece": round(apart / max(len(scores), 1), 6), "bins": bins}


def calibration(scores: NDArray[np.float32], truth: NDArray[np.float32]) -> dict[str, Any]:
    """Tell how far scores can be read as chances.

    Args:
        scores: `(pictures, tags)` in [0, 1].
        truth: Same shape, 1 where a tag is known to apply.

    Returns:
        Two curves as `calibration_curve`: `best_tag`, one value per picture, its best score and
        whether that tag is among its own; `pairs`, every picture with every tag.
    """
    best = scores.argmax(axis=1)[:, None]
    return {
        "best_tag": calibration_curve(
            np.take_along_axis(scores, best, axis=1)[:, 0],
            np.take_along_axis(truth, best, axis=1)[:, 0],
        ),
        "pairs": calibration_curve(scores.ravel(), truth.ravel()),
    }


def _surprise(logits: NDArray[np.float32], truth: NDArray[np.float32], head: Head) -> float:
    """Return the mean cross entropy."""
    logits = logits.astype(np.float64)
    if head == "sigmoid":
        losses = np.logaddexp(0, logits) - truth * logits
        return float(losses.sum(axis=1).mean())
    targets = truth / np.maximum(truth.sum(axis=1, keepdims=True), 1)
    top = logits.max(axis=1, keepdims=True)
    log_total = top + np.log(np.exp(logits - top).sum(axis=1, keepdims=True))
    return float(-(targets * (logits - log_total)).sum(axis=1).mean())
