"""Scores that mean something: one temperature for all tags, one threshold for each.

Both are fitted on the validation split, never on the test split. Knows arrays only.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from training.config import Head
from training.metrics import best_f1_threshold

_TEMPERATURES = np.exp(np.linspace(np.log(0.3), np.log(4.0), 200))
"""Tried one by one: the curve has one valley and 200 points place it within 1.3 %."""

MIN_SUPPORT = 5
"""With fewer validation pictures a tag's own threshold would be a guess."""


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
    scores: NDArray[np.float32], truth: NDArray[np.float32], tags: Sequence[str]
) -> dict[str, float]:
    """Return for each tag the score with the best F1 on the validation split.

    A tag with fewer than `MIN_SUPPORT` pictures gets the median of the others.

    Args:
        scores: `(n, tags)`.
        truth: Same shape, 1 where a tag applies.
        tags: Names of the columns.
    """
    fitted = {
        tag: best_f1_threshold(scores[:, column], truth[:, column])
        for column, tag in enumerate(tags)
        if truth[:, column].sum() >= MIN_SUPPORT
    }
    known = [value for value in fitted.values() if value is not None]
    fallback = float(np.median(known)) if known else 2 / max(len(tags), 4)
    thresholds = {tag: fitted.get(tag) for tag in tags}
    return {
        tag: round(fallback if value is None else float(value), 4)
        for tag, value in thresholds.items()
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
