"""Geometry of a film's pictures: square pixels, the right way up, small enough.

Pure arithmetic and NumPy; knows no decoder.
"""

from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

PICTURE_SIDE_PX = 640
"""Long side of a key frame: twice what the network sees, enough for a poster."""

Matrix = tuple[int, int, int, int]
"""a, b, c, d of a display matrix: x' = ax + cy, y' = bx + dy. Source: ISO/IEC 14496-12, 8.2.2."""

AS_STORED: Matrix = (1, 0, 0, 1)


def plausible_aspect(aspect: Fraction | None) -> Fraction:
    """Return the width of a stored pixel by its height; 1 where it is untold or absurd."""
    return aspect if aspect and Fraction(1, 8) <= aspect <= 8 else Fraction(1)


def display_size(width_px: int, height_px: int, aspect: Fraction) -> tuple[int, int]:
    """Return width and height in square pixels."""
    return max(1, round(width_px * aspect)), height_px


def key_frame_size(width_px: int, height_px: int, aspect: Fraction) -> tuple[int, int]:
    """Return width and height of a key frame, not yet upright: long side at most 640."""
    width, height = display_size(width_px, height_px, aspect)
    scale = min(1.0, PICTURE_SIDE_PX / max(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))


def upright(picture: NDArray[np.uint8], matrix: Matrix) -> NDArray[np.uint8]:
    """Turn and mirror by quarter turns as the display matrix says.

    Args:
        picture: `(height, width, 3)` uint8.
        matrix: Of the film; other angles are taken as the nearest quarter turn.

    Returns:
        The picture, contiguous; height and width may have changed places.
    """
    a, b, c, d = matrix
    if abs(b) > abs(a):
        picture, a, d = picture.transpose(1, 0, 2), c, b
    if a < 0:
        picture = picture[:, ::-1]
    if d < 0:
        picture = picture[::-1]
    return np.ascontiguousarray(picture)
