"""Drawn pictures for a run of a minute that shows the benchmark works, and measures nothing."""

import csv
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from training.dataset import MANIFEST_FILE

DRAWN_TAGS = ("Animal", "Beach/Sea", "Desert", "War")
PER_SPLIT = {"train": 20, "validation": 6}
_SIDE_PX = 80


def draw_collection(folder: Path) -> Path:
    """Write 104 small pictures of four tags with a manifest; return the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for kind, tag in enumerate(DRAWN_TAGS):
        for split, count in PER_SPLIT.items():
            for number in range(count):
                name = f"{kind}-{split}-{number}.png"
                cv2.imwrite(str(folder / name), _picture(kind, split == "train", number))
                rows.append((name, tag, split))
    with (folder / MANIFEST_FILE).open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(("file", "tags", "split"))
        writer.writerows(rows)
    return folder


def _picture(kind: int, to_train: bool, number: int) -> NDArray[np.uint8]:
    """Stripes whose width and direction follow from the kind, over noise."""
    rng = np.random.default_rng((kind, to_train, number))
    places = np.arange(_SIDE_PX) // (4 + 8 * (kind % 2)) % 2
    stripes = np.tile(places, (_SIDE_PX, 1)) * 150
    lying = stripes.T if kind // 2 else stripes
    picture = rng.integers(0, 100, (_SIDE_PX, _SIDE_PX, 3)) + lying[..., None]
    return picture.astype(np.uint8)
