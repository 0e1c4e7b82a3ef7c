"""Small drawn pictures in folders, one folder per tag, with a manifest that splits them."""

import csv
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

DRAWN_TAGS = ("Animal", "Beach/Sea", "Desert", "War")
PER_SPLIT = {"train": 2, "validation": 1, "test": 1}


def draw_picture(kind: int, number: int) -> np.ndarray:
    """A 90 x 120 RGB picture whose colour and shape follow from `kind`."""
    rng = np.random.default_rng((kind, number))
    picture = rng.integers(0, 60, (90, 120, 3), np.uint8)
    picture[..., kind % 3] += np.uint8(120 + 10 * kind)
    centre = (int(rng.integers(30, 90)), int(rng.integers(30, 60)))
    if kind % 2:
        cv2.circle(picture, centre, 20, (250, 250, 250), -1)
    else:
        cv2.rectangle(picture, centre, (centre[0] + 25, centre[1] + 25), (0, 0, 0), -1)
    return picture


def write_picture(file: Path, picture: np.ndarray) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(file), np.ascontiguousarray(picture[:, :, ::-1]))


def write_manifest(file: Path, rows: list[dict[str, str]]) -> None:
    with file.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


@pytest.fixture(scope="session")
def drawn_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """16 pictures of 4 tags: 8 to train on, 4 to validate with, 4 to test with."""
    folder = tmp_path_factory.mktemp("drawn")
    rows = []
    for kind, tag in enumerate(DRAWN_TAGS):
        number = 0
        for split, count in PER_SPLIT.items():
            for _ in range(count):
                name = f"{kind}-{number}.png"
                write_picture(folder / name, draw_picture(kind, number))
                rows.append(
                    {
                        "file": name,
                        "tags": tag if number else f"{tag};Action",
                        "split": split,
                        "source_dataset": "Drawn: by the tests",
                        "licence": "none needed",
                    }
                )
                number += 1
    write_manifest(folder / "manifest.csv", rows)
    return folder


@pytest.fixture
def tag_folders(tmp_path: Path) -> Callable[..., Path]:
    """Make a folder per tag with so many pictures each."""

    def make(**counts: int) -> Path:
        for kind, (folder, count) in enumerate(counts.items()):
            for number in range(count):
                name = f"{number}.png"
                file = tmp_path / "data" / folder.replace("_", "-") / name
                write_picture(file, draw_picture(kind, number))
        return tmp_path / "data"

    return make
