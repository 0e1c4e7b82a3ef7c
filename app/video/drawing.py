"""Pictures made of key frames: a heat laid over one, many on one sheet. Knows pictures only."""

from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

HEAT_OPACITY = 0.65
"""Of the colour where most speaks for a tag; the picture must still be recognised beneath it."""

CELL_WIDTH_PX = 240
"""Of a picture on a sheet: eight side by side fit a wide screen, each can be made out."""

MAX_CELL_HEIGHT_PX = 320
"""Upright films get narrower pictures instead of a sheet without end."""

GAP_PX = 8
LINE_PX = 20
TEXT_SCALE = 0.5
"""Letters of about 11 pixels: the least that OpenCV's font shows clearly."""

PAPER = 24
INK = (236, 236, 236)

FONT = cv2.FONT_HERSHEY_SIMPLEX


@dataclass(frozen=True, slots=True)
class Cell:
    """A picture of a sheet.

    Attributes:
        picture: `(height, width, 3)` uint8 RGB.
        lines: What stands below it, in ASCII.
    """

    picture: NDArray[np.uint8]
    lines: tuple[str, ...]


def lay_heat(picture: NDArray[np.uint8], heat: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Colour a picture where a heat is high, and leave it as it is where there is none.

    Args:
        picture: `(height, width, 3)` uint8 RGB.
        heat: `(height, width)` float32 in [0, 1].

    Returns:
        As `picture`.
    """
    coded = np.asarray(np.clip(heat, 0, 1) * 255, np.uint8)
    colours = cv2.cvtColor(cv2.applyColorMap(coded, cv2.COLORMAP_PLASMA), cv2.COLOR_BGR2RGB)
    weight = np.clip(heat, 0, 1)[:, :, np.newaxis] * HEAT_OPACITY
    blended = picture * (1 - weight) + colours * weight
    return np.asarray(np.rint(blended), np.uint8)


def draw_sheet(cells: Iterable[Cell], columns: int) -> NDArray[np.uint8]:
    """Lay pictures side by side in rows, each with its lines below it.

    Args:
        cells: At least one; read one by one, so that only small pictures are kept.
        columns: Most pictures in a row.

    Returns:
        `(height, width, 3)` uint8 RGB; `CELL_WIDTH_PX` for each column and at most
        `MAX_CELL_HEIGHT_PX` and the lines for each row, and the gaps.

    Raises:
        ValueError: There is no picture, or no column.
    """
    small = [Cell(_shrunk(cell.picture), cell.lines) for cell in cells]
    if not small or columns < 1:
        raise ValueError("a sheet has at least one picture and one column")
    columns = min(columns, len(small))
    rows = -(-len(small) // columns)
    picture_px = max(cell.picture.shape[0] for cell in small)
    row_px = picture_px + LINE_PX * max(len(cell.lines) for cell in small) + GAP_PX
    column_px = CELL_WIDTH_PX + GAP_PX
    sheet = np.full((rows * row_px + GAP_PX, columns * column_px + GAP_PX, 3), PAPER, np.uint8)
    for place, cell in enumerate(small):
        top = GAP_PX + place // columns * row_px
        left = GAP_PX + place % columns * column_px
        height, width = cell.picture.shape[:2]
        y, x = top + (picture_px - height) // 2, left + (CELL_WIDTH_PX - width) // 2
        sheet[y : y + height, x : x + width] = cell.picture
        for number, line in enumerate(cell.lines):
            _write(sheet, line, left, top + picture_px + (number + 1) * LINE_PX - 5)
    return sheet


def _shrunk(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    height, width = picture.shape[:2]
    scale = min(CELL_WIDTH_PX / width, MAX_CELL_HEIGHT_PX / height)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(picture, size, interpolation=how), np.uint8)


def _write(sheet: NDArray[np.uint8], line: str, left: int, baseline: int) -> None:
    (width, _), _ = cv2.getTextSize(line, FONT, TEXT_SCALE, 1)
    scale = TEXT_SCALE * min(1.0, CELL_WIDTH_PX / max(1, width))
    cv2.putText(sheet, line, (left, baseline), FONT, scale, INK, 1, cv2.LINE_AA)
