"""Whether something happens in a group of pictures, told without decoding it.

A group is a codec key frame and the packets up to the next one. Its witnesses are the sizes of its
packets, its two ends and where the encoder ended it. Pure: knows no decoder and no file.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.video.shots import distance, is_blank

SAME_ENDS, CLEAR_ENDS = 0.08, 0.35
"""Ends nearer than the first show the same picture (a hard cut needs 0.1, `shots.CUT_FLOOR`), ends
farther than the second different ones; between them only decoding tells motion from a cut."""

WINDOW_S = 0.5
"""Packets are summed over so long: a key frame of a fade or dissolve needs more bits for longer."""

MARGIN_SHARE, PROBE_SHARE = 1 / 3, 2 / 3
"""Share of a window that is decoded behind the last event, and behind that to see what moves."""

MOTION = 0.1
"""Distance within a probe from which a picture moves. Source: films drawn with still, shaken,
drifting and panning cameras; only the last exceed it."""

BUMP = 1.5
"""A window with so many times the bits of the median window tells of a transition. In drawn films
windows without one stay under 1.25, those with one lie above 1.9."""

LULL = 0.6
"""A window with less than this share of the median's bits tells of black or of a frozen picture."""

SPIKE, SPIKE_LEAST, SPIKE_END = 3.0, 1.3, 2.5
"""A packet of so many times what is usual on the quieter side of it, and on the other side, tells
of a flash or a cut; where one side is too short, of so many times the other."""

SPIKE_GUARD = 3
"""Packets beside a spike that are no judges of it: those between two reference frames."""

FLARE = 20.0
"""Rise of the mean square-rooted luma, 0..255, that may be a flash."""

FORCED_SHARE = 0.97
"""A group this near to the longest was ended by the encoder's limit and not by what it saw."""


@dataclass(frozen=True, slots=True)
class GroupFacts:
    """What is known of a group before it is decoded.

    Attributes:
        length_s: Seconds from its key frame to the next.
        sizes: Bytes of its packets but the key frame, in presentation order.
        row: The key frame as `shots.describe` has it.
    """

    length_s: float
    sizes: Sequence[int]
    row: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Reach:
    """How far a group is decoded, in presentation order behind its key frame.

    Attributes:
        quiet_from: Packets behind which none tells of a change.
        frames: Packets that are decoded. Where more than `quiet_from`, the picture must stay nearly
            the same between both (`moves`), else all must be decoded.
    """

    quiet_from: int
    frames: int


KEY_ONLY = Reach(0, 0)
"""The key frame is enough."""


def reach_of(facts: GroupFacts, after: GroupFacts | None, longest_s: float) -> Reach | None:
    """Tell how far a group must be decoded; None: to its end.

    Where it need not be, the film is as if the last decoded frame were shown up to the next key
    frame: the ends are alike, or so different that the encoder ended the group for it, and no
    packet behind tells of a change.

    Args:
        facts: The group.
        after: The next group; None at the end of the film.
        longest_s: The longest group that the film's encoder makes.
    """
    until = event_end(facts)
    if until is None:
        return None
    probe = round(until + PROBE_SHARE * _window(facts))
    if after is None:
        return KEY_ONLY if until == 0 else _within(Reach(until, until), facts)
    if is_blank(facts.row) or is_blank(after.row):
        return None
    if _flares(facts.row, after.row) and begins_with_event(after):
        return None
    apart = distance(facts.row, after.row)
    if until == 0 and apart < SAME_ENDS:
        return KEY_ONLY
    if apart < CLEAR_ENDS or facts.length_s >= FORCED_SHARE * longest_s:
        return None
    return _within(Reach(until, probe), facts)


def moves(quiet: NDArray[np.float32], later: NDArray[np.float32]) -> bool:
    """Tell whether the picture goes on changing where no packet tells of it: a pan.

    Args:
        quiet: The described frame where the quiet begins.
        later: The last decoded one.
    """
    return distance(quiet, later) > MOTION


def _within(reach: Reach, facts: GroupFacts) -> Reach | None:
    return reach if reach.frames < len(facts.sizes) else None


def event_end(facts: GroupFacts) -> int | None:
    """Return how many packets pass until nothing happens any more; 0: nothing; None: unknown."""
    sizes = np.asarray(facts.sizes, np.float64)
    window = _window(facts)
    if len(sizes) < 2 * window:
        return None  # too short to know what is usual in it
    sums, usual = _sums(sizes, window)
    odd = np.flatnonzero((sums > BUMP * usual) | (sums < LULL * (usual - 1.0)))
    end = _spike_end(sizes, window)
    if len(odd):
        # The last odd window ends in quiet packets; only a little of it is needed.
        last = int(odd[-1])
        inside = np.flatnonzero(sizes[last : last + window] > BUMP * usual)
        lull = sums[last] < LULL * (usual - 1.0)
        end = max(end, last + (window if lull or not len(inside) else int(inside[-1]) + 1))
    if not end:
        return 0
    end += round(MARGIN_SHARE * window)
    return None if end >= len(sizes) else end


def begins_with_event(facts: GroupFacts) -> bool:
    """Tell whether what happens in a group happens at its very beginning."""
    sizes = np.asarray(facts.sizes, np.float64)
    window = _window(facts)
    if len(sizes) < 2 * window:
        return True
    sums, usual = _sums(sizes, window)
    if sums[0] > BUMP * usual or sums[0] < LULL * (usual - 1.0):
        return True
    return bool(_spike_end(sizes[: 2 * window], window))


def _flares(row: NDArray[np.float32], after: NDArray[np.float32]) -> bool:
    """Tell whether the second picture is brighter: a flash may have ended the first's group."""
    cells = row.size // 3
    return float(after[:cells].mean() - row[:cells].mean()) > FLARE


def _sums(sizes: NDArray[np.float64], window: int) -> tuple[NDArray[np.float64], float]:
    """Return the mean packet of each window and, never 0, the median of these."""
    sums = np.convolve(sizes, np.ones(window) / window, "valid")
    return sums, float(np.median(sums)) + 1.0


def _window(facts: GroupFacts) -> int:
    """Return the packets of `WINDOW_S`, at least four."""
    return max(4, round(len(facts.sizes) * WINDOW_S / max(facts.length_s, 1e-3)))


def _spike_end(sizes: NDArray[np.float64], reach: int) -> int:
    """Return the place behind the last spike, 0 where there is none.

    A packet is held against what is largest around each place, in the median over either side, so
    that a large reference frame among small others is none. A cut into a dark shot costs little:
    it stands out of the side that is quieter, and a little out of the other.
    """
    wide = 2 * SPIKE_GUARD + 1
    padded = np.pad(sizes, SPIKE_GUARD, mode="edge")
    tops = np.lib.stride_tricks.sliding_window_view(padded, wide).max(axis=1)
    for place in np.flatnonzero(sizes > SPIKE_LEAST * float(np.median(sizes)))[::-1]:
        left = tops[max(0, place - reach - SPIKE_GUARD) : max(0, place - SPIKE_GUARD)]
        right = tops[place + SPIKE_GUARD + 1 : place + SPIKE_GUARD + 1 + reach]
        levels = [float(np.median(side)) for side in (left, right) if len(side)]
        if len(levels) < 2:
            spikes = not levels or sizes[place] > SPIKE_END * levels[0]
        else:
            spikes = sizes[place] > max(SPIKE * min(levels), SPIKE_LEAST * max(levels))
        if spikes:
            return int(place) + 1
    return 0
