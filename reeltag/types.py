"""What the server answers, as typed values that cannot be changed.

Fields are those of the REST interface; what a later server adds is left out.
"""

from datetime import date, datetime
from typing import Generic, TypeVar

from pydantic import BaseModel, ConfigDict

Item = TypeVar("Item")

FINAL_STATES = frozenset({"done", "failed", "cancelled"})
"""States of a film after which nothing more happens by itself."""


class Value(BaseModel):
    """Root of all values."""

    model_config = ConfigDict(frozen=True, extra="ignore", protected_namespaces=())


class Page(Value, Generic[Item]):
    """A stretch of a list; `next_cursor` asks for the next one, None ends the list."""

    items: list[Item]
    next_cursor: str | None


class FilmError(Value):
    """Why the last analysis of a film failed."""

    code: str
    detail: str


class Film(Value):
    """A film and where it stands."""

    id: str
    title: str
    filename: str
    status: str
    progress: float
    stage: str
    duration_s: float | None
    model_version: str | None
    error: FilmError | None
    warnings: list[str]
    created_at: datetime
    updated_at: datetime
    analysed_at: datetime | None
    sampling: str
    size_bytes: int
    sha256: str
    width_px: int | None
    height_px: int | None

    @property
    def is_final(self) -> bool:
        """Whether nothing more happens by itself."""
        return self.status in FINAL_STATES


class AddedFilm(Value):
    """A film that was uploaded; `created` is False where the same bytes were there before."""

    film: Film
    created: bool


class Progress(Value):
    """What a film's event says; `status` may also be ``deleted``."""

    status: str
    stage: str | None = None
    progress: float | None = None


class FilmTag(Value):
    """A tag that holds for a film."""

    tag: str
    slug: str
    score: float
    coverage_s: float
    shot_count: int
    first_s: float | None
    source: str


class Segment(Value):
    """A stretch of a film where a tag holds, `[start_s, end_s)`."""

    tag: str
    start_s: float
    end_s: float
    score: float
    source: str


class FoundSegment(Segment):
    """A segment and the film it lies in."""

    film_id: str
    film_title: str


class Shot(Value):
    """A shot, `[start_s, end_s)`."""

    start_s: float
    end_s: float


class TagScore(Value):
    """A tag of a key frame."""

    tag: str
    score: float
    source: str


class Frame(Value):
    """A key frame."""

    n: int
    time_s: float
    shot: Shot
    tags: list[TagScore]
    image_url: str


class UnsureFrame(Frame):
    """A key frame that the model is unsure of, and the film it lies in."""

    film_id: str
    film_title: str
    margin: float


class Features(Value):
    """What a convolutional base saw in a film's key frames.

    `content` is a NumPy file: `(frames, 2048)` float16, in the order of `n`.
    """

    base_id: str
    content: bytes


class SimilarFilm(Value):
    """A film and how like another it is."""

    film: Film
    similarity: float


class TimelineEntry(Value):
    """A tag among the films that arrived in one stretch of time."""

    start: date
    tag: str
    slug: str
    film_count: int
    coverage_s: float


class Verdict(Value):
    """What a human said of a tag of a film, a stretch or a key frame."""

    id: str
    tag: str
    slug: str
    verdict: str
    scope: str
    start_s: float | None
    end_s: float | None
    time_s: float | None
    frame: int | None
    created_at: datetime


class Tag(Value):
    """A word of the vocabulary."""

    name: str
    slug: str
    trained: bool
    film_count: int


class Model(Value):
    """A model that the library knows."""

    version: str
    active: bool
    tags: list[str]
    base_id: str
    width_px: int
    height_px: int
    metrics: dict[str, float | None]
    licence: str
    created_at: str


class RetagReport(Value):
    """What was queued to be tagged anew."""

    model_version: str
    queued: int
    from_features: int
    next_cursor: str | None
