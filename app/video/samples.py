"""Cuts between frames that lie far apart: the `keyframes` and `interval` samplings.

Knows no decoder. A decision looks at two neighbouring samples only.
"""

from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from app.video.shots import describe, distance

CUT_DISTANCE = 0.3
"""Samples that differ less show the same shot, moved on."""

HISTOGRAM_DISTANCE = 0.35
"""Share of cells that changed their colour class; a pan keeps most classes and moves them."""

BINS = 6
"""Classes of luma and of each colour channel."""


class SampleCutter:
    r"""Cuts between consecutive samples that differ clearly, and at fixed seams.

    A cut stands at sample :math:`i` where both :math:`D(s_{i-1}, s_i)` (`shots.distance`) reaches
    `CUT_DISTANCE` and the histograms :math:`h` of the cells' colour classes differ,
    :math:`\frac{1}{2} \sum |h_{i-1} - h_i|`, by `HISTOGRAM_DISTANCE`, or where a multiple of
    `seam_s` lies between them.
    """

    context_s = Fraction(0)
    context_frames = 1

    def __init__(self, seam_s: Fraction) -> None:
        """Start with no sample.

        Args:
            seam_s: No shot reaches over a multiple of this.
        """
        self._seam_s = seam_s
        self._last: tuple[Fraction, NDArray[np.float32], NDArray[np.float32]] | None = None
        self.decided_s = Fraction(0)

    def push(self, time: Fraction, small: NDArray[np.uint8]) -> list[Fraction]:
        """Take the next sample; return its time where a shot starts with it."""
        row, classes = describe(small), _histogram(small)
        last, self._last = self._last, (time, row, classes)
        self.decided_s = time
        if last is None:
            return []
        if last[0] // self._seam_s != time // self._seam_s:
            return [time]
        differ = distance(last[1], row) >= CUT_DISTANCE
        recoloured = float(np.abs(last[2] - classes).sum()) / 2 >= HISTOGRAM_DISTANCE
        return [time] if differ and recoloured else []

    def finish(self) -> list[Fraction]:
        """Return nothing: every sample was decided at once."""
        return []


def _histogram(small: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Share of cells of each colour class, `(BINS ** 3,)`; colour is parted finer than luma."""
    luma = small[0].astype(np.int32) * BINS // 256
    blue, red = (
        np.clip((plane.astype(np.int32) - 80) * BINS // 96, 0, BINS - 1) for plane in small[1:]
    )
    classes = ((luma * BINS + blue) * BINS + red).ravel()
    counts = np.bincount(classes, minlength=BINS**3)
    return np.asarray(counts / classes.size, np.float32)
