"""Random changes that leave a picture's tags true: crop, mirror, colour, blending.

Knows pictures and numbers, not files and not the network. The final resize is the one of
`models.preprocessing`, so training and the service shrink pictures with the same code.
"""

import math

import numpy as np
from numpy.typing import NDArray

from models.preprocessing import Pictures, PreprocessingSpec, to_network_input
from training.config import TrainConfig

_LUMA = np.array([0.299, 0.587, 0.114], np.float32)
"""Weights of R, G, B in brightness. Source: ITU-R BT.601."""

_CROP_TRIES = 5


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
