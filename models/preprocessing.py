"""Picture -> network input: the one implementation that training and the service share.

Knows no network and no file: it takes decoded RGB pictures and a recipe that travels with the
weights in the manifest. Scaling to [-1, 1] is not here: it is the network's first layer.
"""

from collections.abc import Iterable
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

Aspect = Literal["squash", "crop", "letterbox"]
"""What happens to a picture whose shape is not the network's.

``squash`` keeps all of it and bends its shape; ``crop`` keeps the middle; ``letterbox`` pads with
black.
"""

Pictures = NDArray[np.uint8]
"""RGB, 0..255, top-left origin; the shape stands where it is used."""


class PreprocessingSpec(BaseModel):
    """The recipe stored with the weights.

    Attributes:
        width_px: Width of the network input.
        height_px: Height of the network input.
        aspect: What happens to a picture of another shape.
        interpolation: Always ``area``: OpenCV's area filter when shrinking, bilinear when growing.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    width_px: int = Field(ge=75, le=1024)
    height_px: int = Field(ge=75, le=1024)
    aspect: Aspect = "squash"
    interpolation: Literal["area"] = "area"


def to_network_input(picture: Pictures, spec: PreprocessingSpec) -> Pictures:
    """Turn one decoded picture into what the network was trained on.

    Args:
        picture: `(height, width, 3)` uint8 RGB, 0..255, top-left origin.
        spec: The recipe stored with the weights.

    Returns:
        `(spec.height_px, spec.width_px, 3)` uint8 RGB, contiguous; the network scales to [-1, 1].

    Raises:
        ValueError: `picture` is not a three-channel uint8 picture of at least one pixel.
    """
    if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3:
        raise ValueError(
            f"a picture is (height, width, 3) uint8, not {picture.shape} {picture.dtype}"
        )
    if picture.size == 0:
        raise ValueError("a picture has at least one pixel")
    if spec.aspect == "crop":
        picture = _middle(picture, spec.width_px / spec.height_px)
    if spec.aspect == "letterbox":
        return _letterboxed(picture, spec)
    return resized(picture, spec.width_px, spec.height_px)


def to_network_inputs(pictures: Iterable[Pictures], spec: PreprocessingSpec) -> Pictures:
    """Turn pictures of any shapes into a batch, `(n, spec.height_px, spec.width_px, 3)` uint8.

    Raises:
        ValueError: As `to_network_input`.
    """
    inputs = [to_network_input(picture, spec) for picture in pictures]
    if not inputs:
        return np.empty((0, spec.height_px, spec.width_px, 3), np.uint8)
    return np.stack(inputs)


def to_picture_plane(
    plane: NDArray[np.float32], height_px: int, width_px: int, spec: PreprocessingSpec
) -> NDArray[np.float32]:
    """Lay what a network says of places over the picture that its input was made from.

    Args:
        plane: `(rows, columns)` float32 over the whole network input, in [0, 1].
        height_px: Height of the picture.
        width_px: Width of the picture.
        spec: The recipe that made the input.

    Returns:
        `(height_px, width_px)` float32 in [0, 1], smooth; 0 where the network saw nothing.
    """
    top, left, height, width = 0, 0, height_px, width_px
    if spec.aspect == "crop":
        top, left, height, width = _middle_box(height_px, width_px, spec.width_px / spec.height_px)
    if spec.aspect == "letterbox":
        grown = cv2.resize(plane, (spec.width_px, spec.height_px), interpolation=cv2.INTER_CUBIC)
        y, x, inner_height, inner_width = _inner_box(height_px, width_px, spec)
        plane = np.ascontiguousarray(grown[y : y + inner_height, x : x + inner_width], np.float32)
    found = np.zeros((height_px, width_px), np.float32)
    laid = cv2.resize(plane, (width, height), interpolation=cv2.INTER_CUBIC)
    found[top : top + height, left : left + width] = np.clip(laid, 0, 1)  # cubics overshoot
    return found


def resized(picture: Pictures, width_px: int, height_px: int) -> Pictures:
    """Bring a picture to a size, not keeping its shape: area filter to shrink, bilinear to grow."""
    height, width = picture.shape[:2]
    if (width, height) == (width_px, height_px):
        return np.ascontiguousarray(picture)
    shrinking = width_px * height_px < width * height
    how = cv2.INTER_AREA if shrinking else cv2.INTER_LINEAR
    resized = cv2.resize(np.ascontiguousarray(picture), (width_px, height_px), interpolation=how)
    return np.asarray(resized, np.uint8)


def _middle(picture: Pictures, ratio: float) -> Pictures:
    top, left, height, width = _middle_box(picture.shape[0], picture.shape[1], ratio)
    return picture[top : top + height, left : left + width]


def _middle_box(height: int, width: int, ratio: float) -> tuple[int, int, int, int]:
    """Return top, left, height, width of the middle of a picture that is kept."""
    new_width = min(width, max(1, round(height * ratio)))
    new_height = min(height, max(1, round(width / ratio)))
    return (height - new_height) // 2, (width - new_width) // 2, new_height, new_width


def _letterboxed(picture: Pictures, spec: PreprocessingSpec) -> Pictures:
    top, left, inner_height, inner_width = _inner_box(picture.shape[0], picture.shape[1], spec)
    padded = np.zeros((spec.height_px, spec.width_px, 3), np.uint8)
    inner = resized(picture, inner_width, inner_height)
    padded[top : top + inner_height, left : left + inner_width] = inner
    return padded


def _inner_box(height: int, width: int, spec: PreprocessingSpec) -> tuple[int, int, int, int]:
    """Return top, left, height, width of a letterboxed picture within the network input."""
    scale = min(spec.width_px / width, spec.height_px / height)
    inner_width = max(1, min(spec.width_px, round(width * scale)))
    inner_height = max(1, min(spec.height_px, round(height * scale)))
    top, left = (spec.height_px - inner_height) // 2, (spec.width_px - inner_width) // 2
    return top, left, inner_height, inner_width
