"""A baseline that is no network: colours and edges by hand, one straight line per tag.

Tells how much of a figure the network earned: the same pictures, tags and figures, trained on the
train split in the same run. Knows no network.

Sources:
    Edges: Dalal and Triggs 2005, "Histograms of Oriented Gradients for Human Detection", section
    6: [-1, 0, 1] gradients, 9 unsigned orientations, cells of 8 x 8 px, overlapping blocks of 2 x 2
    cells, L2-Hys. Colours: a histogram in HSV; its square root as in Arandjelovic and Zisserman
    2012, "Three things everyone should know". Why by hand: docs/decisions/0009-evaluation.md.
"""

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from models.preprocessing import Pictures, resized
from training.dataset import Collection, LabelledPicture, target_rows
from training.errors import BadDataError
from training.metrics import Scores, Truth, measure
from training.store import UnreadablePictureError, read_picture

SIDE_PX = 64
CELL_PX = 8
ORIENTATIONS = 9
HSV_BINS = (8, 4, 4)

REGULARISATION = 0.001
"""`C` of scikit-learn; of 0.0003, 0.001, 0.003 and 0.01 the best macro mAP on the validation
pictures that the starter was made with."""

MAX_ITERATIONS = 300

KIND = "HSV histogram and HOG, logistic regression one-vs-rest"

_CELLS = SIDE_PX // CELL_PX
_HYS_CLIP = 0.2
_HYS_FLOOR = 1e-3
"""Keeps a block without edges from being divided by nothing."""
_FIGURES = ("hit_at_1", "hit_at_3", "macro_map", "macro_map_min20", "micro_map")


def measure_baseline(
    collection: Collection,
    tags: Sequence[str],
    pictures: Sequence[LabelledPicture],
    truth: Truth,
    network: Mapping[str, Any],
) -> tuple[Scores, dict[str, Any]]:
    """Train on the train split, score the pictures that the network was measured on.

    Args:
        collection: Gives the train split.
        tags: Those of the network, in its order.
        pictures: Can be read.
        truth: `(pictures, tags)`, 1 where a tag is known to apply.
        network: Figures of the network on the same pictures, as `metrics.measure`.

    Returns:
        Scores `(pictures, tags)`, and `kind`, the figures of the whole as `metrics.measure`, `ap`
        per tag, `train_pictures`, `seconds`, and `ratio`: macro mAP of the network over that of the
        baseline.

    Raises:
        BadDataError: The train split has no readable picture with a tag of the network.
    """
    began_s = time.monotonic()
    learnt = [p for p in collection.of("train") if set(p.tags) & set(tags)]
    rows, kept = read_descriptors([picture.file for picture in learnt])
    if not len(kept):
        raise BadDataError("the train split has no picture for the baseline to learn from")
    targets = target_rows([learnt[i] for i in kept], tags, normalised=False)
    asked, _ = read_descriptors([picture.file for picture in pictures])
    scores = fit_and_score(rows, targets, asked)
    figures = measure(scores, truth, tags, [0.5] * len(tags))
    ours, theirs = network["macro_map"], figures["macro_map"]
    return scores, {
        "kind": KIND,
        **{name: figures[name] for name in _FIGURES},
        "ap": {tag: row["ap"] for tag, row in figures["per_tag"].items()},
        "train_pictures": len(kept),
        "seconds": round(time.monotonic() - began_s, 1),
        "ratio": round(ours / theirs, 4) if ours is not None and theirs else None,
    }


def fit_and_score(rows: NDArray[np.float32], targets: Truth, asked: NDArray[np.float32]) -> Scores:
    """Fit one logistic regression per tag and score other rows.

    Args:
        rows: `(n, size)`, descriptors to learn from.
        targets: `(n, tags)` of 0 and 1.
        asked: `(m, size)`, descriptors to score.

    Returns:
        `(m, tags)` in [0, 1]; a tag with nothing to tell apart gets its share of `rows`.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler().fit(rows)
    known, unknown = scaler.transform(rows), scaler.transform(asked)
    scores = np.empty((len(asked), targets.shape[1]), np.float32)
    for column, target in enumerate(targets.T):
        if 0 < target.sum() < len(target):
            line = LogisticRegression(C=REGULARISATION, max_iter=MAX_ITERATIONS)
            scores[:, column] = line.fit(known, target).predict_proba(unknown)[:, 1]
        else:
            scores[:, column] = target.mean()
    return scores


def read_descriptors(files: Sequence[Path]) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Read and describe pictures.

    Returns:
        `(n, size)` and the positions in `files` of those that could be read.
    """

    def read(file: Path) -> NDArray[np.float32] | None:
        try:
            return descriptor(read_picture(file))
        except UnreadablePictureError:
            return None

    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(read, files))
    kept = [index for index, row in enumerate(found) if row is not None]
    rows = [row for row in found if row is not None]
    return np.stack(rows) if rows else np.empty((0, 0), np.float32), np.asarray(kept, np.int64)


def descriptor(picture: Pictures) -> NDArray[np.float32]:
    """Describe one picture by its colours and edges.

    Args:
        picture: `(height, width, 3)` uint8 RGB.

    Returns:
        `(1892,)` float32: 128 colours, then 1764 edges.
    """
    small = resized(picture, SIDE_PX, SIDE_PX)
    return np.concatenate([colour_histogram(small), oriented_gradients(small)])


def colour_histogram(picture: Pictures) -> NDArray[np.float32]:
    """Return the square roots of the shares of the colours, `(128,)`: 8 hues, 4 by 4 others."""
    hsv = cv2.cvtColor(picture, cv2.COLOR_RGB2HSV)
    # OpenCV's hues end at 180.
    found = cv2.calcHist([hsv], [0, 1, 2], None, list(HSV_BINS), [0, 180, 0, 256, 0, 256])
    return np.asarray(np.sqrt(found.ravel() / (picture.shape[0] * picture.shape[1])), np.float32)


def oriented_gradients(picture: Pictures) -> NDArray[np.float32]:
    """Return the histogram of oriented gradients of a picture of `SIDE_PX`, `(1764,)`.

    Returns:
        7 x 7 blocks, row by row, each of 2 x 2 cells of 9 orientations from 0 to 180 degrees.
    """
    plane = picture.astype(np.float32)
    across = cv2.filter2D(plane, cv2.CV_32F, np.array([[-1, 0, 1]], np.float32))
    down = cv2.filter2D(plane, cv2.CV_32F, np.array([[-1], [0], [1]], np.float32))
    strength = np.hypot(across, down)
    strongest = strength.argmax(axis=2)[..., None]  # of the three channels, as in the paper
    across, down, strength = (
        np.take_along_axis(item, strongest, axis=2)[..., 0] for item in (across, down, strength)
    )
    turn = np.arctan2(down, across) % np.pi / np.pi * ORIENTATIONS - 0.5
    lower = np.floor(turn).astype(np.int64)
    share = turn - lower
    cell = np.arange(SIDE_PX) // CELL_PX
    place = (cell[:, None] * _CELLS + cell) * ORIENTATIONS
    cells = sum(
        np.bincount(
            (place + (lower + step) % ORIENTATIONS).ravel(),
            weights=(strength * weight).ravel(),
            minlength=_CELLS * _CELLS * ORIENTATIONS,
        )
        for step, weight in ((0, 1 - share), (1, share))
    )
    grid = np.reshape(cells, (_CELLS, _CELLS, ORIENTATIONS))
    blocks = np.concatenate([grid[:-1, :-1], grid[:-1, 1:], grid[1:, :-1], grid[1:, 1:]], axis=2)
    # L2-Hys: normalise, clip, normalise.
    clipped = np.minimum(_normalised(blocks), _HYS_CLIP)
    return np.asarray(_normalised(clipped).ravel(), np.float32)


def _normalised(blocks: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(blocks / np.sqrt((blocks**2).sum(axis=2, keepdims=True) + _HYS_FLOOR))
