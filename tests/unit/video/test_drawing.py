import numpy as np
import pytest

from app.video.drawing import (
    CELL_WIDTH_PX,
    GAP_PX,
    LINE_PX,
    MAX_CELL_HEIGHT_PX,
    PAPER,
    Cell,
    draw_sheet,
    lay_heat,
)
from app.video.thumbnails import decode_jpeg, encode_jpeg
from tests.fakes import drawn_picture


def test_a_picture_without_heat_stays_as_it_is():
    picture = drawn_picture(1)
    heat = np.zeros(picture.shape[:2], np.float32)
    assert (lay_heat(picture, heat) == picture).all()


def test_heat_turns_the_picture_warm_and_only_where_it_is():
    picture = np.full((40, 60, 3), 100, np.uint8)
    heat = np.zeros((40, 60), np.float32)
    heat[:, 30:] = 1
    found = lay_heat(picture, heat)
    assert (found[:, :30] == 100).all()
    red, _, blue = found[:, 30:].reshape(-1, 3).mean(axis=0)
    assert red > blue + 40


def test_a_sheet_has_its_pictures_in_rows_from_left_to_right():
    colours = [(200, 0, 0), (0, 200, 0), (0, 0, 200)]
    cells = [Cell(np.full((90, 160, 3), colour, np.uint8), ("0:00:01",)) for colour in colours]
    sheet = draw_sheet(cells, 2)
    height = round(90 * CELL_WIDTH_PX / 160)
    row, column = height + LINE_PX + GAP_PX, CELL_WIDTH_PX + GAP_PX
    assert sheet.shape == (2 * row + GAP_PX, 2 * column + GAP_PX, 3)
    for place, colour in enumerate(colours):
        y, x = GAP_PX + place // 2 * row, GAP_PX + place % 2 * column
        assert (sheet[y : y + height, x : x + CELL_WIDTH_PX] == colour).all()
    assert (sheet[row + GAP_PX :, column + GAP_PX :] == PAPER).all()


def test_lines_stand_below_their_picture_and_are_never_wider():
    black = np.full((90, 160, 3), PAPER, np.uint8)
    short = draw_sheet([Cell(black, ("0:00:07",))], 1)
    long = draw_sheet([Cell(black, ("Glamor/Fashion 100% " * 4,))], 1)
    for sheet in (short, long):
        ink = np.argwhere((sheet != PAPER).any(axis=2))
        assert len(ink) > 100
        assert ink[:, 0].min() >= GAP_PX + 135
        assert ink[:, 1].max() < GAP_PX + CELL_WIDTH_PX
        assert sheet.max() > 150


def test_an_upright_picture_gets_narrower_instead_of_higher():
    sheet = draw_sheet([Cell(np.full((640, 100, 3), 255, np.uint8), ())], 4)
    assert sheet.shape == (MAX_CELL_HEIGHT_PX + 2 * GAP_PX, CELL_WIDTH_PX + 2 * GAP_PX, 3)


def test_a_sheet_of_nothing_is_refused():
    with pytest.raises(ValueError, match="at least one"):
        draw_sheet([], 3)


def test_a_jpeg_is_read_back_in_its_colours():
    picture = np.full((32, 48, 3), (220, 30, 60), np.uint8)
    found = decode_jpeg(encode_jpeg(picture))
    assert np.abs(found.astype(int) - picture).max() < 8


@pytest.mark.parametrize("content", [b"", b"no picture"], ids=["empty", "text"])
def test_bytes_that_are_no_picture_are_refused(content):
    with pytest.raises(ValueError, match="no picture"):
        decode_jpeg(content)
