"""A decoded frame as small planes to find shots on and as an upright RGB picture.

Imports PyAV for its scaler; opens and decodes nothing.
"""

from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np
from av.sidedata.sidedata import Type as SideDataType
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter
from numpy.typing import NDArray

from app.video.pictures import AS_STORED, Matrix, key_frame_size, upright

SMALL_WIDTH_PX, SMALL_HEIGHT_PX = 48, 27
"""Small frame that shots are found on; averaging so much makes noise vanish."""

HD_HEIGHT_PX = 720
"""Pictures from this height on are BT.709 where the file does not say. Source: ITU-R BT.709."""


class FramePainter:
    """Scales the frames of one film; its scalers are made once."""

    def __init__(self, aspect: Fraction) -> None:
        """Take the width of a stored pixel by its height."""
        self._aspect = aspect
        self._small = VideoReformatter()
        self._picture = VideoReformatter()

    def small(self, raw: VideoFrame) -> NDArray[np.uint8]:
        """Return `(3, 27, 48)` uint8 Y, U, V; not turned upright."""
        small = self._small.reformat(
            raw, SMALL_WIDTH_PX, SMALL_HEIGHT_PX, "yuv444p",
            interpolation=Interpolation.AREA, dst_color_range=ColorRange.MPEG, threads=1,
        )  # fmt: skip
        return np.asarray(small.to_ndarray(), np.uint8).reshape(3, SMALL_HEIGHT_PX, SMALL_WIDTH_PX)

    def picture(self, raw: VideoFrame) -> NDArray[np.uint8]:
        """Return `(height, width, 3)` uint8 RGB, upright, square pixels, long side at most 640."""
        width, height = key_frame_size(raw.width, raw.height, self._aspect)
        untold = raw.colorspace == Colorspace.DEFAULT or raw.colorspace == 2
        picture = self._picture.reformat(
            raw, width, height, "rgb24",
            src_colorspace=Colorspace.ITU709 if untold and raw.height >= HD_HEIGHT_PX else None,
            interpolation=Interpolation.AREA, threads=1,
        )  # fmt: skip
        return upright(np.asarray(picture.to_ndarray(), np.uint8), _display_matrix(raw))


class Look:
    """A decoded frame whose small planes and picture are made at most once."""

    def __init__(self, raw: VideoFrame, painter: FramePainter) -> None:
        """Take the frame; nothing is scaled yet."""
        self.raw = raw
        self._painter = painter
        self._small: NDArray[np.uint8] | None = None
        self._picture: NDArray[np.uint8] | None = None

    def small(self) -> NDArray[np.uint8]:
        """Return what `FramePainter.small` makes of it."""
        if self._small is None:
            self._small = self._painter.small(self.raw)
        return self._small

    def picture(self) -> NDArray[np.uint8]:
        """Return what `FramePainter.picture` makes of it."""
        if self._picture is None:
            self._picture = self._painter.picture(self.raw)
        return self._picture


@dataclass(slots=True)
class Shown:
    """A frame on its way out: its stamp in the track's units, and what is seen then.

    Attributes:
        pts: Presentation stamp; None where the file has none.
        duration: Units it is shown, 0 where the file does not say.
        look: The decoded frame that is seen; of a held frame the codec key frame before it.
        held: Whether it was not decoded.
    """

    pts: int | None
    duration: int
    look: Look
    held: bool = False


@dataclass(slots=True)
class Frame:
    """One presented frame.

    Attributes:
        time: Seconds from the first presented frame.
        duration: Seconds it is shown, as the file says; None where it does not.
        held: Whether it was not decoded: it stands for a frame like the codec key frame before it.
    """

    time: Fraction
    duration: Fraction | None
    _look: Look = field(repr=False)
    held: bool = False

    def small(self) -> NDArray[np.uint8]:
        """Return `(3, 27, 48)` uint8 Y, U, V; not turned upright."""
        return self._look.small()

    def picture(self) -> NDArray[np.uint8]:
        """Return `(height, width, 3)` uint8 RGB, upright, square pixels, long side at most 640."""
        return self._look.picture()


def _display_matrix(raw: VideoFrame) -> Matrix:
    # By type: PyAV declares its side data with keys that it does not have.
    content = raw.side_data.get(SideDataType.DISPLAYMATRIX)  # type: ignore[call-overload]
    if content is None:
        return AS_STORED
    found = np.frombuffer(bytes(content), np.int32)
    return int(found[0]), int(found[1]), int(found[3]), int(found[4])
