"""Key frame -> JPEG bytes and back. Knows pictures only, no films and no storage."""

import cv2
import numpy as np
from numpy.typing import NDArray


def encode_jpeg(picture: NDArray[np.uint8], quality: int = 85) -> bytes:
    """Encode a picture as JPEG.

    Args:
        picture: `(height, width, 3)` uint8 RGB.
        quality: 1 (small) to 100 (good).

    Raises:
        ValueError: `picture` is not such an array, or empty.
    """
    if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3 or not picture.size:
        raise ValueError(f"a picture is (height, width, 3) uint8, not {picture.shape}")
    options = [cv2.IMWRITE_JPEG_QUALITY, quality]
    done, encoded = cv2.imencode(".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), options)
    if not done:
        raise ValueError(f"a picture of {picture.shape} cannot be encoded as JPEG")
    return bytes(encoded.tobytes())


def decode_jpeg(content: bytes) -> NDArray[np.uint8]:
    """Decode a picture that `encode_jpeg` made.

    Returns:
        `(height, width, 3)` uint8 RGB.

    Raises:
        ValueError: The bytes are no picture.
    """
    coded = np.frombuffer(content, np.uint8)
    picture = cv2.imdecode(coded, cv2.IMREAD_COLOR) if coded.size else None
    if picture is None:
        raise ValueError("these bytes are no picture")
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), np.uint8)
