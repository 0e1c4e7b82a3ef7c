"""Compares found transitions with known ones. Pure: numbers in, numbers out."""

from collections.abc import Sequence
from dataclasses import dataclass

TOLERANCE_FRAMES = 2
"""How far a found transition may lie from a cut, or outside of a fade or dissolve."""


@dataclass(frozen=True, slots=True)
class Counts:
    """Transitions that are there, that were found rightly, and that were found at all."""

    true: int = 0
    right: int = 0
    found: int = 0

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(self.true + other.true, self.right + other.right, self.found + other.found)

    @property
    def precision(self) -> float:
        """Share of the found ones that are there."""
        return self.right / self.found if self.found else 0.0

    @property
    def recall(self) -> float:
        """Share of those that are there that were found."""
        return self.right / self.true if self.true else 0.0

    @property
    def f1(self) -> float:
        """Harmonic mean of both, 0..1."""
        return 2 * self.right / (self.found + self.true) if self.found + self.true else 0.0


def compare(
    found: Sequence[float], cuts: Sequence[int], gradual: Sequence[tuple[int, int]]
) -> tuple[Counts, Counts]:
    """Count for cuts alone and for all transitions; each is found at most once.

    Args:
        found: First frame of each found shot but the first.
        cuts: First frame of each shot that begins with a cut.
        gradual: First and last frame of each fade or dissolve.

    Returns:
        Cuts: what was found within a fade or dissolve is neither right nor wrong. All: of several
        found within one fade or dissolve all but one are wrong.
    """
    stretches = [(cut, cut) for cut in cuts] + list(gradual)
    matched, used = _matched(found, stretches)
    right_cuts = sum(1 for place in matched if place < len(cuts))
    beside = sum(
        1
        for number, frame in enumerate(found)
        if number not in used or used[number] >= len(cuts)
        if any(_inside(frame, stretch) for stretch in gradual)
    )
    return (
        Counts(len(cuts), right_cuts, len(found) - beside),
        Counts(len(stretches), len(matched), len(found)),
    )


def _inside(frame: float, stretch: tuple[int, int]) -> bool:
    return stretch[0] - TOLERANCE_FRAMES <= frame <= stretch[1] + TOLERANCE_FRAMES


def _matched(
    found: Sequence[float], stretches: Sequence[tuple[int, int]]
) -> tuple[set[int], dict[int, int]]:
    """Match nearest pairs first; cuts come before gradual ones at the same distance."""
    pairs = sorted(
        (max(start - frame, frame - end, 0), place, number)
        for number, frame in enumerate(found)
        for place, (start, end) in enumerate(stretches)
        if _inside(frame, (start, end))
    )
    matched: set[int] = set()
    used: dict[int, int] = {}
    for _, place, number in pairs:
        if place not in matched and number not in used:
            matched.add(place)
            used[number] = place
    return matched, used
