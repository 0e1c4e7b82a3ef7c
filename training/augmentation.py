"""Random changes that leave a picture's tags true: crop, mirror, bars, packing, colour, blending.

Knows pictures and numbers, not files and not the network. The final resize is the one of
`models.preprocessing`, so training and the service shrink pictures with the same code.
"""

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from models.preprocessing import Pictures, PreprocessingSpec, resized, to_network_input
from training.config import TrainConfig

_LUMA = np.array([0.299, 0.587, 0.114], np.float32)
"""Weights of R, G, B in brightness. Source: ITU-R BT.601."""

_CROP_TRIES = 5

_BARS = (0.05, 0.26)
"""Share of the frame that bars cover; 0.26 is a film of 2.39:1 in a frame of 16:9."""

_PILLARS = 0.2
"""Share of the bars that stand left and right, as around old films of 4:3."""

_JPEG_QUALITY = (15, 60)
_VIDEO_QUALITY = (8, 35)
_VIDEO_SCALE = (0.4, 0.8)


def augmented(
    picture: Pictures, spec: PreprocessingSpec, config: TrainConfig, rng: np.random.Generator
) -> Pictures:
    """Return one random view of a picture as a network input.

    Args:
        picture: `(height, width, 3)` uint8 RGB.
        spec: Size of the network input.
        config: Which changes are made, and how strong they are.
        rng: All chance comes from here.

    Returns:
        `(spec.height_px, spec.width_px, 3)` uint8 RGB.
    """
    if config.random_crop:
        picture = random_crop(picture, config, rng)
    if config.mirror and rng.random() < 0.5:
        picture = picture[:, ::-1]
    if config.letterbox > 0 and rng.random() < config.letterbox:
        picture = letterboxed(picture, rng)
    if config.jpeg_noise > 0 and rng.random() < config.jpeg_noise:
        picture = jpeg_packed(picture, int(rng.integers(*_JPEG_QUALITY)))
    if config.video_noise > 0 and rng.random() < config.video_noise:
        picture = video_packed(picture, rng)
    view = to_network_input(picture, spec)
    if config.colour_jitter > 0:
        view = jitter_colour(view, config.colour_jitter, rng)
    return view


def random_crop(picture: Pictures, config: TrainConfig, rng: np.random.Generator) -> Pictures:
    """Cut out a random part of the picture.

    Area and aspect are drawn; a part that does not fit is drawn again, five times at most, then
    the whole picture is taken.

    Source:
        Szegedy et al. 2015, "Going Deeper with Convolutions", section 6.
    """
    height, width = picture.shape[:2]
    low, high = math.log(config.crop_aspect_min), math.log(config.crop_aspect_max)
    for _ in range(_CROP_TRIES):
        area = rng.uniform(config.crop_area_min, 1.0) * height * width
        aspect = math.exp(rng.uniform(low, high))
        crop_width, crop_height = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
        if 0 < crop_width <= width and 0 < crop_height <= height:
            left = int(rng.integers(0, width - crop_width + 1))
            top = int(rng.integers(0, height - crop_height + 1))
            return picture[top : top + crop_height, left : left + crop_width]
    return picture


def letterboxed(picture: Pictures, rng: np.random.Generator) -> Pictures:
    """Put black bars above and below, or at both sides, that cover `_BARS` of the new picture."""
    share = rng.uniform(*_BARS)
    height, width = picture.shape[:2]
    if rng.random() < _PILLARS:
        bar = round(width * share / (1 - share) / 2)
        return np.pad(picture, ((0, 0), (bar, bar), (0, 0)))
    bar = round(height * share / (1 - share) / 2)
    return np.pad(picture, ((bar, bar), (0, 0), (0, 0)))


def jpeg_packed(picture: Pictures, quality: int) -> Pictures:
    """Pack as JPEG of `quality` (1..100, colour at half resolution) and unpack again."""
    rgb = np.ascontiguousarray(picture)
    done, packed = cv2.imencode(".jpg", rgb[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not done:
        raise ValueError("a picture could not be packed as JPEG")
    unpacked = cv2.imdecode(packed, cv2.IMREAD_COLOR)
    return np.asarray(np.asarray(unpacked)[..., ::-1], np.uint8)


def video_packed(picture: Pictures, rng: np.random.Generator) -> Pictures:
    """Look like an intra frame at a low bit rate: fewer lines, then coarse blocks.

    An imitation, not a codec: intra frames and JPEG both quantise blocks of cosines, so a shrunk
    picture packed as poor JPEG and enlarged shows blocks larger than those of `jpeg_packed`.
    """
    height, width = picture.shape[:2]
    scale = rng.uniform(*_VIDEO_SCALE)
    small = resized(picture, max(8, round(width * scale)), max(8, round(height * scale)))
    poor = jpeg_packed(small, int(rng.integers(*_VIDEO_QUALITY)))
    return resized(poor, width, height)


def jitter_colour(view: Pictures, strength: float, rng: np.random.Generator) -> Pictures:
    """Change brightness, contrast and saturation, each by a factor in 1 ± `strength`."""
    brightness, contrast, saturation = rng.uniform(1 - strength, 1 + strength, 3)
    pixels = view.astype(np.float32)
    grey = (pixels @ _LUMA)[..., None]
    mean = float(grey.mean())
    changed = grey + (pixels - grey) * np.float32(saturation)
    changed = (changed - mean) * np.float32(contrast) + np.float32(mean * brightness)
    return np.clip(changed, 0, 255).astype(np.uint8)


def mixup(
    inputs: Pictures, targets: NDArray[np.float32], alpha: float, rng: np.random.Generator
) -> tuple[Pictures, NDArray[np.float32]]:
    """Blend each picture of a batch, and its targets, with another one of the same batch.

    Source:
        Zhang et al. 2018, "mixup: Beyond Empirical Risk Minimization", section 2.
    """
    share = np.float32(rng.beta(alpha, alpha))
    order = rng.permutation(len(inputs))
    blended = inputs.astype(np.float32) * share + inputs[order].astype(np.float32) * (1 - share)
    return blended.round().astype(np.uint8), targets * share + targets[order] * (1 - share)
