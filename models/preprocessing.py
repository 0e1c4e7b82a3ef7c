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
    return _resized(picture, spec.width_px, spec.height_px)


def to_network_inputs(pictures: Iterable[Pictures], spec: PreprocessingSpec) -> Pictures:
    """Turn pictures of any shapes into a batch, `(n, spec.height_px, spec.width_px, 3)` uint8.

    Raises:
        ValueError: As `to_network_input`.
    """
    inputs = [to_network_input(picture, spec) for picture in pictures]
    if not inputs:
        return np.empty((0, spec.height_px, spec.width_px, 3), np.uint8)
    return np.stack(inputs)


def _resized(picture: Pictures, width_px: int, height_px: int) -> Pictures:
    height, width = picture.shape[:2]
    if (width, height) == (width_px, height_px):
        return np.ascontiguousarray(picture)
    shrinking = width_px * height_px < width * height
    how = cv2.INTER_AREA if shrinking else cv2.INTER_LINEAR
    resized = cv2.resize(np.ascontiguousarray(picture), (width_px, height_px), interpolation=how)
    return np.asarray(resized, np.uint8)


def _middle(picture: Pictures, ratio: float) -> Pictures:
    height, width = picture.shape[:2]
    new_width = min(width, max(1, round(height * ratio)))
    new_height = min(height, max(1, round(width / ratio)))
    left, top = (width - new_width) // 2, (height - new_height) // 2
    return picture[top : top + new_height, left : left + new_width]


def _letterboxed(picture: Pictures, spec: PreprocessingSpec) -> Pictures:
    height, width = picture.shape[:2]
    scale = min(spec.width_px / width, spec.height_px / height)
    inner_width = max(1, min(spec.width_px, round(width * scale)))
    inner_height = max(1, min(spec.height_px, round(height * scale)))
    left, top = (spec.width_px - inner_width) // 2, (spec.height_px - inner_height) // 2
    padded = np.zeros((spec.height_px, spec.width_px, 3), np.uint8)
    inner = _resized(picture, inner_width, inner_height)
    padded[top : top + inner_height, left : left + inner_width] = inner
    return padded
