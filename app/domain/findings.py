"""What is asked of a whole library and what is answered: segments, likeness, counts over time.

Frozen values between the database, the services and the API. Knows no row and no JSON.
"""

from dataclasses import dataclass
from typing import Literal

from app.domain.library import Film, FrameView, KeyFrameRecord
from app.domain.tags import Segment

SegmentSort = Literal["-score", "-created_at"]
"""Strongest first, or by film (the newest first) and then by start."""

Likeness = Literal["tags", "features"]
"""What films are compared by: the scores of their tags, or their key frames' mean features."""

Interval = Literal["day", "month", "year"]
"""How time is cut, UTC."""


@dataclass(frozen=True, slots=True)
class SegmentQuery:
    """Which segments of the library are asked for; everything given must hold.

    Attributes:
        tag: Name of the tag.
        min_score: Least score, in [0, 1].
        min_duration_s: Least length.
        sort: Order.
    """

    tag: str
    min_score: float | None = None
    min_duration_s: float | None = None
    sort: SegmentSort = "-score"


@dataclass(frozen=True, slots=True)
class FoundSegment:
    """A segment and the film it lies in."""

    film_id: str
    film_title: str
    segment: Segment


@dataclass(frozen=True, slots=True)
class SimilarFilm:
    """A film and how like another it is.

    Attributes:
        film: The film.
        similarity: Cosine, in [0, 1]; 1 means the same direction.
    """

    film: Film
    similarity: float


@dataclass(frozen=True, slots=True)
class TimelineEntry:
    """A tag among the films that arrived in one stretch of time.

    Attributes:
        start: First day of the stretch: ``2026-11-23``, ``2026-11-01`` or ``2026-01-01``.
        tag: Name in the vocabulary.
        film_count: Films of the stretch that have the tag.
        coverage_s: Seconds that it covers in them.
    """

    start: str
    tag: str
    film_count: int
    coverage_s: float


@dataclass(frozen=True, slots=True)
class UnsureRow:
    """A key frame that the model is unsure of, as it is stored.

    Attributes:
        film_id: Its film.
        film_title: The film's title.
        model_version: The model that gave the scores.
        margin: Best score less the second best.
        frame: The key frame with its score row.
    """

    film_id: str
    film_title: str
    model_version: str | None
    margin: float
    frame: KeyFrameRecord


@dataclass(frozen=True, slots=True)
class UnsureFrame:
    """A key frame that the model is unsure of, as it is shown; see `UnsureRow`."""

    film_id: str
    film_title: str
    margin: float
    frame: FrameView


@dataclass(frozen=True, slots=True)
class StoredFeatures:
    """Where a film's features lie.

    Attributes:
        key: Of a NumPy array `(frames, feature_size)` float16, rows in the order of `n`.
        size_bytes: Of the object.
        base_id: The convolutional base that gave them.
    """

    key: str
    size_bytes: int
    base_id: str
