"""Shots and key frames: the pieces of a film that are looked at, and what was seen in them.

Knows no decoder and no network; arrays are carried, never computed here.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of a film, half open `[start_s, end_s)`; `end_s` None means to the end."""

    start_s: float = 0.0
    end_s: float | None = None


WHOLE_FILM = Span()
"""From the first presented frame to the last."""


@dataclass(frozen=True, slots=True)
class Shot:
    """Frames between two transitions; `[start_s, end_s)` in seconds from the first frame."""

    start_s: float
    end_s: float

    def __post_init__(self) -> None:
        if not 0 <= self.start_s < self.end_s:
            raise ValueError(f"a shot ends after it starts, not [{self.start_s}, {self.end_s})")

    @property
    def duration_s(self) -> float:
        """Length in seconds, above 0."""
        return self.end_s - self.start_s


@dataclass(frozen=True, slots=True)
class KeyFrame:
    """A frame that speaks for its shot.

    Attributes:
        time_s: Presentation time, seconds from the first presented frame.
        picture: `(height, width, 3)` uint8 RGB, upright, square pixels, long side at most 640.
    """

    time_s: float
    picture: NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class ShotFrames:
    """A shot with its key frames, at least one, in time order."""

    shot: Shot
    key_frames: tuple[KeyFrame, ...]


@dataclass(frozen=True, slots=True)
class ScoredFrame:
    """What the network said of one key frame.

    Attributes:
        time_s: Presentation time, seconds from the first presented frame.
        scores: `(tags,)` float32 in [0, 1]; whether they sum to 1 is the manifest's `activation`.
        features: `(feature_size,)` float16, the penultimate layer.
        thumbnail: The key frame as JPEG.
    """

    time_s: float
    scores: NDArray[np.float32]
    features: NDArray[np.float16]
    thumbnail: bytes


@dataclass(frozen=True, slots=True)
class ScoredShot:
    """A shot with what the network said of its key frames."""

    shot: Shot
    frames: tuple[ScoredFrame, ...]

    @property
    def scores(self) -> NDArray[np.float32]:
        """Mean of the key frames' score rows, `(tags,)` float32."""
        rows = np.stack([frame.scores for frame in self.frames])
        return np.asarray(rows.mean(axis=0), np.float32)
