"""Which pictures there are, which tags each carries, and on which side of the split it stands.

Takes what `listing.py` reads and deals whole groups to the three sides. Knows file names and tags;
decodes nothing (`store.py` does) and knows no network.
"""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.vocabulary import TAGS
from training.errors import BadDataError
from training.labelled import SPLITS, UNASSIGNED, LabelledPicture, Split
from training.listing import MANIFEST_FILE, Listing, list_pictures
from training.vocabulary import PAPER, Vocabulary

__all__ = [
    "MANIFEST_FILE", "SPLITS", "SPLIT_SHARES", "Collection", "LabelledPicture", "Split",
    "read_collection", "shared_groups", "split_by_group", "target_rows",
]  # fmt: skip

SPLIT_SHARES: dict[Split, float] = {"train": 0.7, "validation": 0.15, "test": 0.15}
"""Shares of the pictures when the manifest names no split (the paper's own order of magnitude)."""


@dataclass(frozen=True, slots=True)
class Collection:
    """All labelled pictures of one training run or evaluation.

    Attributes:
        pictures: In the order of the manifest.
        tags: The tags that a network learns, in the order of its outputs.
        vocabulary: Every tag that a picture may carry.
        only_rejected: Rows that were left out because they have nothing but `rejected_tags`.
    """

    pictures: tuple[LabelledPicture, ...]
    tags: tuple[str, ...]
    vocabulary: tuple[str, ...] = TAGS
    only_rejected: int = 0

    def of(self, split: Split) -> tuple[LabelledPicture, ...]:
        """Return the pictures on one side of the split."""
        return tuple(picture for picture in self.pictures if picture.split == split)


def read_collection(
    data_dir: Path,
    manifest: Path | None = None,
    *,
    seed: int = 1,
    to_train: bool = True,
    vocabulary: Vocabulary = PAPER,
) -> Collection:
    """Find the pictures, their tags and their split.

    Args:
        data_dir: Folder with the pictures; names in a manifest are relative to it.
        manifest: CSV or Parquet with `file,tags[,split][,group]`; without it
            `data_dir/manifest.csv` is used, or else a folder per tag is expected.
        seed: Decides the split where the manifest names none.
        to_train: Ask for two tags or more in the train split; measuring needs none there.
        vocabulary: Tags that may stand there.

    Raises:
        BadDataError: Nothing usable is there, files are missing, or a group stands on two sides of
            the split; the message says what and where.
    """
    listing = list_pictures(data_dir, manifest, vocabulary)
    _require_files(listing, data_dir)
    shared = shared_groups(listing.pictures)
    if shared:
        group, sides = next(iter(shared.items()))
        raise BadDataError(
            f"{listing.origin}: split leak: {len(shared)} groups stand on two sides of the split, "
            f"for example {group!r} on {' and '.join(sides)}; `reeltag-train inspect` lists them"
        )
    pictures = split_by_group(listing.pictures, seed)
    trained = {tag for picture in pictures if picture.split == "train" for tag in picture.tags}
    if to_train and len(trained) < 2:
        raise BadDataError(
            f"{data_dir}: training needs two tags or more, found "
            f"{', '.join(sorted(trained)) or 'none'} in the train split"
        )
    tags = tuple(tag for tag in vocabulary.tags if tag in trained)
    return Collection(tuple(pictures), tags, vocabulary.tags, listing.only_rejected)


def shared_groups(pictures: Sequence[LabelledPicture]) -> dict[str, tuple[Split, ...]]:
    """Return the groups that stand on two sides of the split or on three, each with its sides."""
    sides: dict[str, set[str]] = defaultdict(set)
    for picture in pictures:
        if picture.split != UNASSIGNED:
            sides[picture.group].add(picture.split)
    return {
        group: tuple(split for split in SPLITS if split in found)
        for group, found in sides.items()
        if len(found) > 1
    }


def split_by_group(pictures: Sequence[LabelledPicture], seed: int) -> list[LabelledPicture]:
    """Give every picture without a split one, whole groups at a time, in fixed proportions.

    A group of which some pictures have a split stands there as a whole. The others are dealt tag
    by tag, rarest tag first, in the order of a hash of their name: the same names and seed give
    the same split, and every tag gets its share of each side.

    Args:
        pictures: Those with a split keep it.
        seed: Another seed deals the groups differently.
    """
    named: dict[str, str] = {}
    for picture in pictures:
        if picture.split != UNASSIGNED:
            named.setdefault(picture.group, picture.split)
    counts = Counter(tag for picture in pictures for tag in picture.tags)
    rarest: dict[str, str] = {}
    for picture in pictures:
        if picture.group not in named:
            candidates = (*picture.tags, rarest.get(picture.group, picture.tags[0]))
            rarest[picture.group] = min(candidates, key=lambda tag: (counts[tag], tag))
    by_tag: dict[str, list[str]] = defaultdict(list)
    for group, tag in rarest.items():
        by_tag[tag].append(group)
    split_of: dict[str, str] = dict(named)
    for groups in by_tag.values():
        groups.sort(key=lambda group: hashlib.sha256(f"{seed}:{group}".encode()).digest())
        split_of.update(_deal(groups))
    return [
        replace(picture, split=split_of[picture.group]) if picture.split == UNASSIGNED else picture
        for picture in pictures
    ]


def _deal(groups: Sequence[str]) -> dict[str, Split]:
    """Hand out groups in proportion; with three or more, each side gets one at least."""
    held_out = round(len(groups) * SPLIT_SHARES["test"])
    held_out = max(held_out, 1 if len(groups) >= 3 else 0)
    split_of: dict[str, Split] = dict.fromkeys(groups, "train")
    split_of.update(dict.fromkeys(groups[:held_out], "test"))
    split_of.update(dict.fromkeys(groups[held_out : 2 * held_out], "validation"))
    return split_of


def target_rows(
    pictures: Sequence[LabelledPicture], tags: Sequence[str], *, normalised: bool
) -> NDArray[np.float32]:
    """Write tags as rows of numbers.

    Args:
        pictures: One row each.
        tags: One column each; tags of a picture that have no column are left out.
        normalised: Rows sum to 1 (for softmax), else each tag of the picture is a 1.

    Returns:
        `(pictures, tags)` float32.
    """
    column = {tag: index for index, tag in enumerate(tags)}
    rows = np.zeros((len(pictures), len(tags)), np.float32)
    for row, picture in zip(rows, pictures, strict=True):
        row[[column[tag] for tag in picture.tags if tag in column]] = 1
    if normalised:
        rows /= np.maximum(rows.sum(axis=1, keepdims=True), 1)
    return rows


def _require_files(listing: Listing, data_dir: Path) -> None:
    if listing.missing:
        some = ", ".join(listing.missing[:3]) + (" ..." if len(listing.missing) > 3 else "")
        raise BadDataError(
            f"{listing.origin} names {len(listing.missing)} files that are not in "
            f"{data_dir}: {some}"
        )
