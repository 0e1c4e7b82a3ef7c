"""Which pictures are the same: byte for byte, or to the eye.

Knows fingerprints of pictures; knows no tags and no split. Near duplicates are found with a
difference hash and confirmed on small colour pictures. Mirrored or cropped copies are not found.
"""

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from models.preprocessing import Pictures

HASH_BITS = 64
MAX_BITS = 6
"""Hashes of near duplicates differ in so many of their 64 bits at most."""

MAX_DIFFERENCE = 8.0
"""Their small pictures differ by so much at most: mean over pixels and channels, of 0..255."""

SMALL_PX = 16
_BLOCK = 512


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What is kept of one picture to compare it with all others.

    Attributes:
        digest: SHA-256 of the file.
        dhash: Difference hash, 64 bits: is a cell brighter than its right neighbour?
        small: `(16, 16, 3)` uint8 RGB.
    """

    digest: bytes
    dhash: int
    small: Pictures


@dataclass(frozen=True, slots=True)
class Cluster:
    """Pictures that are the same.

    Attributes:
        rows: Their positions, ascending.
        exact: Byte for byte; otherwise at least two different files look the same.
    """

    rows: tuple[int, ...]
    exact: bool


def fingerprint(data: NDArray[np.uint8], picture: Pictures) -> Fingerprint:
    """Take the fingerprint of a picture.

    The hash is dHash (N. Krawetz, "Kind of Like That", 2013): 9 x 8 grey cells, one bit for each
    pair of neighbours in a row.

    Args:
        data: Bytes of the file.
        picture: The decoded picture, `(height, width, 3)` uint8 RGB.
    """
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    cells = cv2.resize(grey, (9, 8), interpolation=cv2.INTER_AREA)
    bits = np.packbits(cells[:, :-1] > cells[:, 1:])
    small = cv2.resize(picture, (SMALL_PX, SMALL_PX), interpolation=cv2.INTER_AREA)
    return Fingerprint(
        digest=hashlib.sha256(data.data).digest(),
        dhash=int.from_bytes(bits.tobytes(), "big"),
        small=np.asarray(small, np.uint8),
    )


def find_duplicates(prints: Sequence[Fingerprint]) -> list[Cluster]:
    """Find pictures that are the same, in seconds for some ten thousands.

    Returns:
        Clusters of two pictures or more, those that are the same byte for byte first. A near
        cluster also holds the exact copies of its members.
    """
    copies: dict[bytes, list[int]] = defaultdict(list)
    for row, item in enumerate(prints):
        copies[item.digest].append(row)
    contents = list(copies.values())
    exact = [Cluster(tuple(rows), True) for rows in contents if len(rows) > 1]
    near = [
        Cluster(tuple(sorted(row for place in places for row in contents[place])), False)
        for places in _near([prints[rows[0]] for rows in contents])
    ]
    return exact + near


def _near(prints: Sequence[Fingerprint]) -> list[list[int]]:
    """Return clusters of two or more of different pictures that look the same."""
    if len(prints) < 2:
        return []
    hashes = np.array([item.dhash for item in prints], np.uint64)
    smalls = np.stack([item.small.ravel() for item in prints]).astype(np.int16)
    sets = _Sets(len(prints))
    leaders = _leaders(hashes, smalls, sets)
    for start in range(0, len(leaders), _BLOCK):
        rows, others = leaders[start : start + _BLOCK], leaders[start:]
        bits = np.bitwise_count(hashes[rows][:, None] ^ hashes[others][None])
        # Those with equal hashes were compared already.
        found, other = np.nonzero((bits <= MAX_BITS) & (bits > 0))
        one, two = rows[found], others[other]
        one, two = one[one < two], two[one < two]
        for part in range(0, len(one), _BLOCK * 8):
            left, right = one[part : part + _BLOCK * 8], two[part : part + _BLOCK * 8]
            same = np.abs(smalls[left] - smalls[right]).mean(axis=1) <= MAX_DIFFERENCE
            for a, b in zip(left[same].tolist(), right[same].tolist(), strict=True):
                sets.join(a, b)
    return sets.several()


def _leaders(
    hashes: NDArray[np.uint64], smalls: NDArray[np.int16], sets: "_Sets"
) -> NDArray[np.int64]:
    """Join pictures with equal hashes that look the same; return one of each such set, ascending.

    Without this, thousands of black frames would be millions of pairs.
    """
    order = np.argsort(hashes, kind="stable")
    bounds = np.flatnonzero(np.diff(hashes[order])) + 1
    chosen: list[int] = []
    for members in np.split(order, bounds):
        first: list[int] = [int(members[0])]
        for member in members[1:].tolist():
            apart = np.abs(smalls[first] - smalls[member]).mean(axis=1)
            if apart.min() <= MAX_DIFFERENCE:
                sets.join(first[int(apart.argmin())], member)
            else:
                first.append(member)
        chosen += first
    return np.sort(np.array(chosen, np.int64))


class _Sets:
    """Sets of numbers that grow together (union-find with path halving)."""

    def __init__(self, count: int) -> None:
        self._parent = list(range(count))

    def join(self, one: int, other: int) -> None:
        """Make one set of the sets of both."""
        low, high = sorted((self._root(one), self._root(other)))
        self._parent[high] = low

    def several(self) -> list[list[int]]:
        """Return the sets of two or more."""
        found: dict[int, list[int]] = defaultdict(list)
        for number in range(len(self._parent)):
            found[self._root(number)].append(number)
        return [members for members in found.values() if len(members) > 1]

    def _root(self, number: int) -> int:
        while self._parent[number] != number:
            self._parent[number] = self._parent[self._parent[number]]
            number = self._parent[number]
        return number
