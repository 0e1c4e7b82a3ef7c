"""Small frames in, times of cuts out.

Finds hard cuts, fades through black or white and dissolves. Every decision looks only at about a
second on either side, so a film read in spans is cut where the whole film is. Knows no decoder, no
files and no key frames.
"""

import itertools
from collections import deque
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

MIN_SHOT_S = Fraction(2, 5)
"""Of two cuts nearer than this only the stronger one is reported."""

GRADUAL_REACH_S = Fraction(1)
"""Of gradual transitions nearer than this only the strongest one is reported."""

SATURATION = 48.0
"""A cell that differs by so much (of 255, three channels added) differs wholly: a subtitle or a
lamp then weighs by its area and not by its brightness."""

CUT_FLOOR = 0.1
"""Least distance of a hard cut. Drawn dark films with noise stay under 0.05, subtitles too."""

CUT_RATIO = 2.8
"""A hard cut stands out of its neighbours so many times, in odds. Source: the adaptive threshold of
PySceneDetect uses 3 on the neighbours' mean; ours is on the third largest, which is higher."""

SEPARATION = 0.5
"""Share of a cut's distance that must lie between all frames before and all frames after."""

BLANK_DEVIATION = 5.0
"""Standard deviation of the square-rooted luma, 0..255, of a frame with nothing in it."""

BLACK, WHITE = 90.0, 235.0
"""A blank frame is darker or brighter than this, in square-rooted luma: Y below 32, above 216."""

ABRUPT = 0.3
"""Distance of neighbours at which blank frames begin or end by a jump and not by a fade."""

SAME_PICTURE = 0.2
"""Distance under which frames half a second apart show the same thing."""

DISSOLVE_FLOOR = 0.2
DISSOLVE_RESIDUAL = 0.3
DISSOLVE_CORRELATION = 0.6
DISSOLVE_OUTSIDE = 0.9
"""A dissolve's middle is the mean of its ends up to this residual, its ends correlate less than
this, and outside of it less changes: a change of light keeps the structure, a pan is no mean of its
ends, and even motion is no transition."""

PAN_RESIDUAL = 0.5
"""Share of a change that is left in a pan after the best shift."""

MAX_FRAME_RATE = Fraction(60)
MIN_FRAME_RATE = Fraction(8)
"""Windows are counted in frames; outside these rates they would be absurd."""

ROOTS = (255.0 * np.sqrt(np.arange(256) / 255.0)).astype(np.float32)
"""Square root of luma: differences in the dark count as the eye counts them."""


def describe(small: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Turn a small frame, `(3, height, width)` uint8 Y U V, into a row `(3 * cells,)` float32.

    Luma is square-rooted to 0..255, the two colour channels are as they are.
    """
    row = small.reshape(3, -1)
    return np.concatenate([ROOTS[row[0]], row[1:].astype(np.float32).ravel()])


def distance(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    r"""Tell how different two described frames are, 0 (equal) to 1.

    .. math:: D(p, q) = \frac{1}{n} \sum_i \min(1, (|\Delta Y_i| + |\Delta U_i| + |\Delta V_i|)/48)

    Source:
        Ours: mean absolute difference, saturated for each cell.
    """
    if one is other:
        return 0.0
    cells = np.abs(one - other).reshape(3, -1).sum(axis=0)
    return float(np.minimum(cells, SATURATION).mean()) / SATURATION


@dataclass(frozen=True, slots=True)
class _Candidate:
    time: Fraction
    strength: float
    gradual: bool


class CutFinder:
    r"""Finds cuts in a growing row of frames.

    With frames :math:`f_i` and distances :math:`d_i = D(f_{i-1}, f_i)`:

    A **hard cut** stands at :math:`i` where :math:`d_i` reaches `CUT_FLOOR`, where its odds
    :math:`d/(1.02 - d)` are `CUT_RATIO` times those of the third largest :math:`d` within a third
    of a second (so one flash or one more cut nearby does not hide it), and where every frame of the
    0.3 seconds before differs from every one of the 0.3 seconds after by `SEPARATION` of
    :math:`d_i` (so a flash, after which the picture is back, is none).

    A **fade** stands at the first frame after blank ones, unless the picture before comes back
    after a blink.

    A **dissolve** stands at the middle :math:`c` of frames :math:`a = c - l`, :math:`b = c + l`
    that are far apart and not alike in structure, where the frames at a quarter, a half and three
    quarters are the blends of :math:`f_a` and :math:`f_b`, and where less changes in the
    :math:`l/2` before and after than within.

    Of near candidates the strongest stays.

    Source:
        Ours. Thresholds were set on films drawn from photographs with pans, shakes, zooms, noise,
        darkness, flashes and subtitles; all cuts and 86 % of gradual transitions are found there,
        at a precision of 0.98. They were tuned for just that: expect less elsewhere.
    """

    def __init__(self, frame_rate: Fraction) -> None:
        """Start with no frame.

        Args:
            frame_rate: Average frames a second, which the windows are counted with; the same for
                every span of a film.
        """
        rate = float(min(max(frame_rate, MIN_FRAME_RATE), MAX_FRAME_RATE))
        self._flash = max(2, round(rate * 0.3)) + 1
        self._neighbours = max(4, round(rate / 3))
        self._tenth = max(2, round(rate / 10))
        self._half = max(3, round(rate / 2))
        self._halves = sorted({max(4, round(rate * share) // 4 * 4) for share in (0.25, 0.5, 1.0)})
        self._reach = max(
            self._halves[-1] * 3 // 2, self._flash + self._half + 2, self._neighbours + 1
        )
        self._rows: deque[NDArray[np.float32]] = deque()
        self._times: deque[Fraction] = deque()
        self._steps: deque[float] = deque()
        self._blanks: deque[bool] = deque()
        self._shape = (0, 0)
        self._small: NDArray[np.uint8] | None = None
        self._ends: dict[int, tuple[NDArray[np.float32], NDArray[np.float32], float]] = {}
        self._first = 0
        """Number of the frame at the left of the windows."""
        self._next = 0
        """Number of the first frame that is not judged yet."""
        self._candidates: deque[_Candidate] = deque()
        self._judged_time = Fraction(0)
        self._decided = Fraction(0)

    @property
    def context_frames(self) -> int:
        """Frames needed before the first judged one for the same answer as from the beginning."""
        return self._reach + 1

    context_s = GRADUAL_REACH_S
    """Seconds that must be judged before the first cut that is believed."""

    @property
    def decided_s(self) -> Fraction:
        """Every cut before this time has been returned."""
        return self._decided

    def push(self, time: Fraction, small: NDArray[np.uint8]) -> list[Fraction]:
        """Take the next frame.

        Args:
            time: Seconds from the first presented frame, more than the last.
            small: `(3, height, width)` uint8 Y, U, V.

        Returns:
            Times of cuts, in order, that are certain now; each is the first frame of a shot.
        """
        if small is self._small and self._rows:
            # A held frame is the very same one: nothing has to be computed.
            row, blank = self._rows[-1], self._blanks[-1]
        else:
            row = describe(small)
            blank = is_blank(row)
        self._small = small
        self._shape = small.shape[1:]
        self._steps.append(distance(self._rows[-1], row) if self._rows else 0.0)
        self._blanks.append(blank)
        self._rows.append(row)
        self._times.append(time)
        while self._next + self._reach < self._first + len(self._rows):
            self._judge(self._next - self._first)
            self._next += 1
            if self._next - self._first > self._reach:
                for column in (self._rows, self._times, self._steps, self._blanks):
                    column.popleft()
                self._first += 1
        return self._settle(self._judged_time - GRADUAL_REACH_S)

    def finish(self) -> list[Fraction]:
        """Return the cuts that remain at the end of the film."""
        while self._next < self._first + len(self._rows):
            self._judge(self._next - self._first)
            self._next += 1
        return self._settle(self._judged_time + 2 * GRADUAL_REACH_S)

    def _judge(self, place: int) -> None:
        time = self._times[place]
        self._judged_time = time
        if time < MIN_SHOT_S:
            return
        strength = self._hard_cut(place)
        if strength:
            self._candidates.append(_Candidate(time, 1 + strength, gradual=False))
            return
        if self._fade(place):
            self._candidates.append(_Candidate(time, 1.0, gradual=True))
            return
        strength = max(self._dissolve(place, half) for half in self._halves)
        if strength:
            self._candidates.append(_Candidate(time, strength, gradual=True))

    def _settle(self, until: Fraction) -> list[Fraction]:
        """Return the candidates before `until` that are stronger than all near them."""
        cuts = [
            one.time
            for one in self._candidates
            if self._decided <= one.time < until
            and not any(_outdoes(other, one) for other in self._candidates)
        ]
        self._decided = max(self._decided, until)
        while self._candidates and self._candidates[0].time < until - GRADUAL_REACH_S:
            self._candidates.popleft()
        return cuts

    def _hard_cut(self, place: int) -> float:
        step = self._steps[place]
        if step < CUT_FLOOR:
            return 0.0
        # The first step of the row is unknown, never a neighbour.
        left = max(1 if self._first == 0 else 0, place - self._neighbours)
        right = min(len(self._steps), place + self._neighbours + 1)
        around = sorted(self._steps[i] for i in range(left, right) if i != place)
        if len(around) > 2 and _odds(step) < CUT_RATIO * _odds(around[-3]):
            return 0.0
        before = self._sample(place - self._flash, place)
        after = self._sample(place, place + self._flash)
        cells = np.abs(before[:, None] - after[None]).reshape(len(before), len(after), 3, -1)
        apart = np.minimum(cells.sum(axis=2), SATURATION).mean(axis=2) / SATURATION
        return step if float(apart.min()) >= SEPARATION * step else 0.0

    def _sample(self, start: int, end: int) -> NDArray[np.float32]:
        """Return up to seven rows of `[start, end)`, its ends among them."""
        start, end = max(0, start), min(len(self._rows), end)
        places = sorted(set(np.linspace(start, end - 1, 7).round().astype(int).tolist()))
        return np.stack([self._rows[i] for i in places])

    def _fade(self, place: int) -> bool:
        if place < 1 or self._blanks[place] or not self._blanks[place - 1]:
            return False
        start = place - 1
        while start > 0 and self._blanks[start - 1] and place - start <= self._flash:
            start -= 1
        if self._steps[start] >= ABRUPT and self._steps[place] >= ABRUPT:
            return False  # a flash, or cuts that are judged as such
        if place - start > self._flash:
            return True
        before, after = start - self._half, place + self._half
        if before < 0 or after >= len(self._rows):
            return place - start > 1
        return distance(self._rows[before], self._rows[after]) >= SAME_PICTURE

    def _dissolve(self, place: int, half: int) -> float:
        if place < half or place + half >= len(self._rows):
            return 0.0
        first, last = self._rows[place - half], self._rows[place + half]
        apart = self._apart(first, last, half)
        if not apart:
            return 0.0
        first, last = _linear(first), _linear(last)
        scale = float(np.abs(first - last).mean())
        worst = 0.0
        for quarter in (1, 2, 3):
            middle = _linear(self._rows[place - half + quarter * half // 2])
            blend = first + (last - first) * (quarter / 4)
            worst = max(worst, float(np.abs(middle - blend).mean()) / scale)
            if worst > DISSOLVE_RESIDUAL:
                return 0.0
        if self._outside(place, half) > DISSOLVE_OUTSIDE:
            return 0.0
        if self._moves_on(place):
            return 0.0
        return apart * (1 - worst)

    def _apart(self, first: NDArray[np.float32], last: NDArray[np.float32], half: int) -> float:
        """Return how far the ends of a dissolve are apart, 0 where they can be none.

        Held frames ask for the same ends again and again.
        """
        known = self._ends.get(half)
        if known is not None and known[0] is first and known[1] is last:
            return known[2]
        apart = distance(first, last)
        if (
            apart < DISSOLVE_FLOOR
            or _correlation(first, last) > DISSOLVE_CORRELATION
            or min(deviation(first), deviation(last)) < BLANK_DEVIATION
        ):
            apart = 0.0
        self._ends[half] = (first, last, apart)
        return apart

    def _moves_on(self, place: int) -> bool:
        """Tell whether a tenth of a second is better told by a shift than by a change: a pan."""
        earlier, now = _linear(self._rows[place - self._tenth]), _linear(self._rows[place])
        cells = now.size // 3
        changed = float(np.abs(earlier - now)[:cells].mean())
        return _moved_residual(earlier, now, self._shape) < PAN_RESIDUAL * changed

    def _outside(self, place: int, half: int) -> float:
        """Tell how much changes before and after `place` +- `half`, by how much changes within."""
        step = half // 2
        points = [place + step * number for number in range(-3, 4)]
        if points[0] < 0 or points[-1] >= len(self._rows):
            return 0.0
        steps = [
            distance(self._rows[one], self._rows[other])
            for one, other in itertools.pairwise(points)
        ]
        return 2 * (steps[0] + steps[-1]) / (sum(steps[1:-1]) + 1e-6)


def _outdoes(other: _Candidate, one: _Candidate) -> bool:
    gap = abs(other.time - one.time)
    reach = MIN_SHOT_S
    if other.gradual and one.gradual:
        reach = GRADUAL_REACH_S
    elif other.gradual or one.gradual:
        reach = (MIN_SHOT_S + GRADUAL_REACH_S) / 2
    if gap >= reach or other is one:
        return False
    return (-other.strength, other.time) < (-one.strength, one.time)


def _odds(apart: float) -> float:
    """Undo the saturation of a distance, so that a cut stands out of fast motion too."""
    return apart / (1.02 - apart)


def is_blank(row: NDArray[np.float32]) -> bool:
    """Tell whether a described frame is black or white with nothing in it."""
    mean = float(row[: row.size // 3].mean())
    return deviation(row) < BLANK_DEVIATION and not BLACK <= mean <= WHITE


def deviation(row: NDArray[np.float32]) -> float:
    """Tell how much the luma of a described frame varies: its standard deviation, 0..255."""
    return float(row[: row.size // 3].std())


def _correlation(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    cells = one.size // 3
    left, right = one[:cells] - one[:cells].mean(), other[:cells] - other[:cells].mean()
    return float(left @ right) / (float(np.sqrt((left @ left) * (right @ right))) + 1e-6)


def _moved_residual(
    one: NDArray[np.float32], other: NDArray[np.float32], shape: tuple[int, ...]
) -> float:
    """Mean difference of two frames' luma after the best shift of the first: low for a pan."""
    height, width = shape
    left, right = (row[: height * width].reshape(height, width) for row in (one, other))
    best = float("inf")
    for dy in range(-(height // 4), height // 4 + 1, 2):
        for dx in range(-(width // 2), width // 2 + 1):
            moved = left[max(0, -dy) : height - max(0, dy), max(0, -dx) : width - max(0, dx)]
            still = right[max(0, dy) : height + min(0, dy), max(0, dx) : width + min(0, dx)]
            best = min(best, float(np.abs(moved - still).mean()))
    return best


def _linear(row: NDArray[np.float32]) -> NDArray[np.float32]:
    """Undo the square root of luma: pictures are blended as they are stored."""
    cells = row.size // 3
    luma = row[:cells] ** 2 / np.float32(255)
    return np.concatenate([luma, row[cells:]])
