"""Turning and sizing of pictures."""

from fractions import Fraction

import numpy as np
import pytest

from app.video.pictures import AS_STORED, display_size, key_frame_size, plausible_aspect, upright
from app.video.thumbnails import encode_jpeg

CORNER = np.zeros((2, 3, 3), np.uint8)
CORNER[0, 0] = 9


@pytest.mark.parametrize(
    ("matrix", "shape", "place"),
    [
        (AS_STORED, (2, 3), (0, 0)),
        ((0, 1, -1, 0), (3, 2), (0, 1)),
        ((-1, 0, 0, -1), (2, 3), (1, 2)),
        ((0, -1, 1, 0), (3, 2), (2, 0)),
        ((-1, 0, 0, 1), (2, 3), (0, 2)),
    ],
    ids=["as_stored", "clockwise", "half_turn", "counter_clockwise", "mirrored"],
)
def test_the_display_matrix_moves_the_first_corner(
    matrix: tuple[int, int, int, int], shape: tuple[int, int], place: tuple[int, int]
) -> None:
    picture = upright(CORNER, matrix)
    assert picture.shape[:2] == shape
    assert picture[place][0] == 9


def test_wide_pixels_widen_the_picture() -> None:
    assert display_size(720, 576, Fraction(16, 11)) == (1047, 576)
    assert key_frame_size(1920, 1080, Fraction(1)) == (640, 360)
    assert key_frame_size(320, 180, Fraction(1)) == (320, 180)


def test_an_absurd_aspect_is_not_believed() -> None:
    assert plausible_aspect(Fraction(4000)) == 1
    assert plausible_aspect(None) == 1


def test_a_thumbnail_is_a_jpeg_with_its_colours() -> None:
    import cv2

    content = encode_jpeg(np.full((40, 60, 3), (250, 10, 10), np.uint8))
    assert content[:2] == b"\xff\xd8"
    decoded = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR_RGB)
    assert np.abs(decoded[20, 30].astype(int) - (250, 10, 10)).max() < 8


def test_an_array_that_is_no_picture_is_refused() -> None:
    with pytest.raises(ValueError, match="uint8"):
        encode_jpeg(np.zeros((4, 4), np.uint8))
