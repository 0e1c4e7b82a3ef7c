"""Which tags teach the base, which are learned afterwards, and from which pictures.

Knows labels and seeds; decodes no picture and knows no network.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from training.dataset import SPLITS, Collection, target_rows
from training.errors import BadDataError

Way = Literal["frozen head", "fine-tuned", "from scratch"]
WAYS: tuple[Way, ...] = get_args(Way)

_DEALS = 1000
"""Deals that are tried before the one that keeps the most pictures is taken."""


@dataclass(frozen=True, slots=True)
class Halves:
    """The tags of the two tasks; no tag is in both.

    Attributes:
        source: What the base is trained on first.
        target: What is learned from few pictures afterwards.
    """

    source: tuple[str, ...]
    target: tuple[str, ...]


def deal_halves(collection: Collection, min_pictures: int, seed: int) -> Halves:
    """Deal the tags that have enough training pictures into two halves.

    Taken is the first deal of the seed in which every target tag keeps `min_pictures` once the
    pictures that also carry a source tag are gone; where there is none, the deal in which the
    most target tags do, without those that do not.

    Args:
        collection: Its train split is counted.
        min_pictures: Training pictures that a tag needs.
        seed: Another seed deals differently.

    Raises:
        BadDataError: Fewer than two tags stay on a side.
    """
    train = collection.of("train")
    counts = target_rows(train, collection.tags, normalised=False).sum(axis=0)
    tags = [tag for tag, count in zip(collection.tags, counts, strict=True)
            if count >= min_pictures]  # fmt: skip
    rich = target_rows(train, tags, normalised=False)
    best, best_kept = np.arange(len(tags)), (-1, -1.0)
    for deal in range(_DEALS):
        order = np.random.default_rng((seed, deal)).permutation(len(tags))
        counts = _kept(rich, order)
        kept = (int((counts >= min_pictures).sum()), float(counts.min(initial=len(train))))
        if kept > best_kept:
            best, best_kept = order, kept
        if kept[0] == len(tags) // 2:
            break
    source = {tags[place] for place in best[len(tags) // 2 :]}
    return halves_beside(collection, tuple(tag for tag in tags if tag in source), min_pictures)


def halves_beside(collection: Collection, source: Sequence[str], min_pictures: int) -> Halves:
    """Take as target every tag that keeps enough pictures beside the given source tags.

    Args:
        collection: Its train split is counted.
        source: Tags that a base has learned already.
        min_pictures: Training pictures without a source tag that a target tag needs.

    Raises:
        BadDataError: Fewer than two tags stay on a side.
    """
    others = tuple(tag for tag in collection.tags if tag not in source)
    free = side(collection, others, source).of("train")
    counts = target_rows(free, others, normalised=False).sum(axis=0)
    target = tuple(t for t, count in zip(others, counts, strict=True) if count >= min_pictures)
    if min(len(source), len(target)) < 2:
        raise BadDataError(
            f"two source and two target tags are needed, found {len(source)} and {len(target)} "
            f"({min_pictures} training pictures a tag, none of them with tags of both sides)"
        )
    return Halves(tuple(source), target)


def side(collection: Collection, wanted: Sequence[str], other: Sequence[str]) -> Collection:
    """Return the pictures with a wanted tag and none of the other ones, under wanted tags only."""
    kept = [
        replace(picture, tags=tuple(tag for tag in picture.tags if tag in wanted))
        for picture in collection.pictures
        if set(picture.tags) & set(wanted) and not set(picture.tags) & set(other)
    ]
    return Collection(tuple(kept), tuple(wanted))


def draw_rows(truth: NDArray[np.float32], count: int, seed: int) -> NDArray[np.int64]:
    """Draw `count` pictures for each tag, from an order that follows from the seed alone.

    A smaller draw is part of a larger one of the same seed. Each tag's draw is fair to its own
    pictures; a tag that also stands on pictures drawn for others gets more than `count`.

    Args:
        truth: `(pictures, tags)`, 1 where a tag applies.
        count: Pictures a tag; a tag that has fewer gives all.
        seed: Another seed draws others.

    Returns:
        Rows of `truth`, ascending, each once.
    """
    order = np.random.default_rng(seed).permutation(len(truth))
    shuffled = truth[order] > 0
    drawn = [order[np.flatnonzero(column)[:count]] for column in shuffled.T]
    return np.unique(np.concatenate(drawn)).astype(np.int64)


def digest_of(collection: Collection) -> str:
    """Name a collection by its files' names, tags and split, not by where they lie."""
    digest = hashlib.sha256()
    for picture in collection.pictures:
        if picture.split in SPLITS[:2]:
            line = f"{picture.file.name}:{';'.join(picture.tags)}:{picture.split}\n"
            digest.update(line.encode())
    return digest.hexdigest()[:16]


def _kept(truth: NDArray[np.float32], order: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return what each target tag of a deal keeps: pictures without a source tag."""
    target, source = order[: len(order) // 2], order[len(order) // 2 :]
    counts: NDArray[np.float32] = truth[truth[:, source].sum(axis=1) == 0][:, target].sum(axis=0)
    return counts
