"""Which tag is taken for which: a picture counts when its best tag is none of its own.

Knows arrays only. Labels name what is there, so some of what is counted here as mistaken is true
and only was not written down: pairs are hints for a human, not proofs.
"""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.metrics import Scores, Truth

RULE = (
    "a picture whose best tag is none of its own counts once for each of its own tags, as taken "
    "for the best tag; one whose best tag is its own counts for that tag, as found"
)

STRONGEST = 20
"""Pairs that are named."""


def confusion_matrix(scores: Scores, truth: Truth) -> NDArray[np.int64]:
    """Count which tag was taken for which.

    Args:
        scores: `(pictures, tags)`, higher is surer.
        truth: Same shape, 1 where a tag is known to apply.

    Returns:
        `(tags, tags)`: at `[own, best]` the pictures with the tag `own` whose best tag `best` is
        none of their own; at `[own, own]` those whose best tag is `own`. A picture with two tags
        that is taken for a third stands in two rows.
    """
    best = scores.argmax(axis=1)
    is_own = truth[np.arange(len(truth)), best] > 0
    found = np.zeros((truth.shape[1], truth.shape[1]), np.int64)
    np.add.at(found, (best[is_own], best[is_own]), 1)
    rows, own = np.nonzero(truth * ~is_own[:, None])
    np.add.at(found, (own, best[rows]), 1)
    return found


def strongest_pairs(
    matrix: NDArray[np.int64], truth: Truth, tags: Sequence[str]
) -> list[dict[str, Any]]:
    """Return the mistaken pairs with the most pictures, at most `STRONGEST`.

    Args:
        matrix: As `confusion_matrix`.
        truth: What it was counted from.
        tags: Names of the columns.

    Returns:
        `tag taken_for pictures share`; `share` is that of all pictures with `tag`.
    """
    support = truth.sum(axis=0)
    mistaken = np.argwhere((matrix > 0) & ~np.eye(len(matrix), dtype=bool))
    pairs = [
        {
            "tag": tags[own],
            "taken_for": tags[best],
            "pictures": int(matrix[own, best]),
            "share": round(float(matrix[own, best] / support[own]), 6),
        }
        for own, best in mistaken
    ]
    pairs.sort(key=lambda pair: (-pair["pictures"], -pair["share"], pair["tag"]))
    return pairs[:STRONGEST]


def write_matrix(file: Path, matrix: NDArray[np.int64], tags: Sequence[str]) -> None:
    """Write the matrix as CSV: a row for each own tag, a column for each best tag."""
    with file.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(("tag", *tags))
        for tag, row in zip(tags, matrix.tolist(), strict=True):
            writer.writerow((tag, *row))
