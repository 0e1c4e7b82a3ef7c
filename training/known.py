"""A dataset with stored features, as arrays: what is known to hold, what is known not to.

Reads what `corrections.py` laid; knows no server, no network and decodes no picture.
"""

import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.vocabulary import UnknownTagError, find_tag
from training.corrections import FEATURES_FILE, ORIGIN_FILE
from training.dataset import MANIFEST_FILE, SPLITS
from training.errors import BadDataError


@dataclass(frozen=True, slots=True)
class Known:
    """Key frames with features and what is known of them; a row each.

    Attributes:
        features: `(frames, 2048)` float16.
        holds: `(frames, tags)` float32, 1 where a tag is known to hold.
        holds_not: Same shape, 1 where a tag is known not to. Where both are 0 nothing is known.
    """

    features: NDArray[np.float16]
    holds: NDArray[np.float32]
    holds_not: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.features)


@dataclass(frozen=True, slots=True)
class KnownFrames:
    """A dataset with stored features.

    Attributes:
        all: Every row, for the tags that were asked for.
        splits: `(frames,)`, the side each row stands on.
        files: The pictures, a file for each row.
        base_id: The convolutional base that gave the features.
        films: Groups of the dataset.
        other_tags: Tags with verdicts that were not asked for.
    """

    all: Known
    splits: NDArray[np.str_]
    files: tuple[Path, ...]
    base_id: str
    films: int
    other_tags: tuple[str, ...]

    def of(self, split: str) -> Known:
        """Return the rows on one side of the split of which something is known."""
        known = (self.all.holds + self.all.holds_not).any(axis=1)
        rows = np.flatnonzero((self.splits == split) & known)
        return Known(self.all.features[rows], self.all.holds[rows], self.all.holds_not[rows])


def read_known_frames(folder: Path, tags: Sequence[str]) -> KnownFrames:
    """Read a dataset with stored features.

    Args:
        folder: What `reeltag-train from-corrections` wrote.
        tags: The columns: tags of the model that is to learn.

    Raises:
        BadDataError: A file is missing or does not fit the others.
    """
    try:
        features = np.load(folder / FEATURES_FILE, allow_pickle=False)
        base_id = str(json.loads((folder / ORIGIN_FILE).read_text(encoding="utf-8"))["base_id"])
        with (folder / MANIFEST_FILE).open(encoding="utf-8-sig", newline="") as stream:
            rows = list(csv.DictReader(stream))
    except (OSError, ValueError, KeyError, TypeError) as exc:
        raise BadDataError(f"{folder}: no dataset with stored features: {exc}") from exc
    lacking = {"file", "tags", "rejected_tags", "split", "group"} - set(rows[0] if rows else ())
    if lacking:
        raise BadDataError(f"{folder / MANIFEST_FILE}: without {', '.join(sorted(lacking))}")
    if features.ndim != 2 or len(features) != len(rows) or not np.isfinite(features).all():
        raise BadDataError(f"{folder / FEATURES_FILE}: not a row for each of {len(rows)} pictures")
    splits = np.array([row["split"] for row in rows])
    if strangers := sorted(set(splits) - set(SPLITS)):
        raise BadDataError(f"{folder / MANIFEST_FILE}: unknown splits {', '.join(strangers)}")
    column = {tag: place for place, tag in enumerate(tags)}
    holds = np.zeros((len(rows), len(tags)), np.float32)
    holds_not = np.zeros_like(holds)
    others: set[str] = set()
    for line, row in enumerate(rows):
        for side, words in ((holds, row["tags"]), (holds_not, row["rejected_tags"])):
            names = _names(words, f"{folder / MANIFEST_FILE}, line {line + 2}")
            side[line, [column[name] for name in names if name in column]] = 1
            others.update(name for name in names if name not in column)
    return KnownFrames(
        all=Known(features.astype(np.float16), holds, holds_not),
        splits=splits,
        files=tuple(folder / row["file"] for row in rows),
        base_id=base_id,
        films=len({row["group"] for row in rows}),
        other_tags=tuple(sorted(others)),
    )


def _names(words: str, where: str) -> list[str]:
    try:
        return [find_tag(word).name for word in words.split(";") if word.strip()]
    except UnknownTagError as exc:
        raise BadDataError(f"{where}: {exc}") from exc
