"""Which frames speak for a shot.

The policy only: candidates come in with their time and picture, key frames go out. Knows no decoder
and finds no shots. The choice depends on the shot's own frames alone, so it is the same however the
film is read.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

CANDIDATE_EVERY_S = Fraction(1, 5)
"""Half of the shortest shot, so that every shot holds a whole such stretch."""

KEY_FRAME_EVERY_S = Fraction(5)
"""A shot gets one key frame for each stretch of at most so many seconds."""

MAX_KEY_FRAMES = 32
"""Key frames of one shot, however long."""

MAX_CANDIDATES = 64
"""Candidates of one shot that are kept: 44 MB of 640 x 360 pictures."""

EDGE_S = Fraction(1, 4)
"""Frames nearer to a transition may still show it."""

BLANK_DEVIATION = 5.0
"""Standard deviation of the brightness, 0..255, of a picture with nothing in it."""

DAMAGE_SHARE = 0.25
"""Share of a picture in one exact grey or green that tells of data that never came."""

DAMAGE_COLOURS = ((128, 128, 128), (0, 135, 0), (0, 77, 0))
"""What decoders leave where nothing was decoded: grey, and YUV zeros in BT.601 and BT.709."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A frame that may become a key frame; `quality` in [0, 1], 0 for blank or damaged."""

    time: Fraction
    picture: NDArray[np.uint8]
    quality: float


def is_candidate(before: Fraction | None, time: Fraction, after: Fraction | None) -> bool:
    """Tell whether a frame may become a key frame, from its time and its neighbours' times.

    It is the first of a stretch of `CANDIDATE_EVERY_S` of the film, or shown for half as long, or
    the film's first or last frame. So every shot of at least two such stretches has a candidate: a
    whole stretch lies in it, and either a frame starts there or one before it is shown through it.
    """
    if before is None or after is None:
        return True
    first = before // CANDIDATE_EVERY_S != time // CANDIDATE_EVERY_S
    return first or after - time >= CANDIDATE_EVERY_S / 2


def quality_of(picture: NDArray[np.uint8]) -> float:
    """Tell how much a picture shows: contrast and detail, 0 for a blank or damaged one, up to 1.

    Args:
        picture: `(height, width, 3)` uint8 RGB.
    """
    sample = picture[:: max(1, picture.shape[0] // 90), :: max(1, picture.shape[1] // 160)]
    luma = sample.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)
    deviation = float(luma.std())
    if deviation < BLANK_DEVIATION or _damaged(sample):
        return 0.0
    detail = float(np.abs(np.diff(luma, axis=0)).mean()) if luma.shape[0] > 1 else 0.0
    return 0.1 + 0.5 * min(1.0, deviation / 40) + 0.4 * min(1.0, detail / 8)


def _damaged(sample: NDArray[np.uint8]) -> bool:
    pixels = sample.astype(np.int16)
    for colour in DAMAGE_COLOURS:
        near = np.abs(pixels - np.array(colour, np.int16)).max(axis=2) <= 1
        if float(near.mean()) > DAMAGE_SHARE:
            return True
    return False


class CandidatePool:
    """The candidates of one shot, thinned so that an hour-long shot needs no more memory."""

    def __init__(self, start: Fraction) -> None:
        """Start empty for a shot that starts at `start` seconds."""
        self._start = start
        self._every = CANDIDATE_EVERY_S
        self._kept: list[Candidate] = []

    def add(self, candidate: Candidate) -> None:
        """Take the next candidate in time."""
        self._keep(candidate)
        while len(self._kept) > MAX_CANDIDATES:
            self._every *= 2
            kept, self._kept = self._kept, []
            for one in kept:
                self._keep(one)

    def _keep(self, candidate: Candidate) -> None:
        """Keep the best candidate of each stretch, of equal ones the first."""
        place = (candidate.time - self._start) // self._every
        if not self._kept or (self._kept[-1].time - self._start) // self._every != place:
            self._kept.append(candidate)
        elif candidate.quality > self._kept[-1].quality:
            self._kept[-1] = candidate

    def choose(self, end: Fraction) -> list[Candidate]:
        """Return the key frames of the shot that ends at `end`, at least one, in time order.

        The shot is parted into equal stretches of at most `KEY_FRAME_EVERY_S`, at most
        `MAX_KEY_FRAMES`; of each the candidate with the best quality less its distance from the
        middle is taken. Blank and damaged ones and those at the edges only where there is no other.

        Raises:
            ValueError: No candidate was added.
        """
        if not self._kept:
            raise ValueError("a shot without a candidate")
        length = end - self._start
        edge = min(EDGE_S, length / 4)
        inner = [one for one in self._kept if self._start + edge <= one.time <= end - edge]
        usable = _first_not_empty(
            [one for one in inner if one.quality], [one for one in self._kept if one.quality],
            inner, self._kept,
        )  # fmt: skip
        count = min(MAX_KEY_FRAMES, max(1, -(-length // KEY_FRAME_EVERY_S)))
        stretch = length / count
        chosen: dict[int, tuple[float, Candidate]] = {}
        for one in usable:
            place = min(int((one.time - self._start) // stretch), int(count) - 1)
            middle = self._start + stretch * (place + Fraction(1, 2))
            worth = one.quality - 0.3 * float(abs(one.time - middle) / stretch)
            if place not in chosen or worth > chosen[place][0]:
                chosen[place] = (worth, one)
        return [one for _, (_, one) in sorted(chosen.items(), key=lambda item: item[0])]


def _first_not_empty(*choices: Sequence[Candidate]) -> Sequence[Candidate]:
    return next((choice for choice in choices if choice), ())
