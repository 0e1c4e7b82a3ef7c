"""What the library holds: films, key frames, pages of them, and what can be asked for.

Frozen values that the database gives and that services and the API pass on. Knows no row, no
query language and no JSON.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Generic, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from app.domain.films import FilmStatus, Stage
from app.domain.shots import Shot
from app.domain.tags import FilmTag, TagScore
from models.manifest import Manifest

Item = TypeVar("Item")

HUMAN_SCORE = 1.0
"""A tag that a human accepted is certain, whatever the model thinks of it."""

FEATURE_FILE_SUFFIX = ".npy"
"""Feature objects are NumPy arrays, `(frames, feature_size)` float16."""


class Verdict(StrEnum):
    """What a human says of a tag of a film; final, and kept through every retag."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"


Sort = Literal["-created_at", "created_at", "title", "-title", "-score", "-coverage_s"]
"""Order of films; ``-`` is greatest first; the last two go by the first tag asked for."""

FrameSort = Literal["time_s", "-score"]
"""Order of the key frames of a film; ``-score`` goes by the tag asked for."""


@dataclass(frozen=True, slots=True)
class Page(Generic[Item]):
    """A stretch of a list; `next_cursor` is None at its end."""

    items: tuple[Item, ...]
    next_cursor: str | None = None


@dataclass(frozen=True, slots=True)
class NewFilm:
    """A film whose bytes are stored and that has no row yet."""

    id: str
    sha256: str
    title: str
    filename: str
    size_bytes: int
    sampling: str
    key_id: str | None = None


@dataclass(frozen=True, slots=True)
class Film:
    """A film and where it stands.

    Attributes:
        id: UUIDv7 in hex: ids sort by the time a film arrived.
        source_key: Where its bytes lie in the storage.
        sampling: Text form of a `Sampling`.
        progress: Of the current run, in [0, 1].
        run: Counts analyses, from 1; see `app.db.tables.FilmRow`.
        shown_run: The run that readers see; None until the first is complete.
        model_version: The model whose scores are shown.
        base_id: The convolutional base whose features are stored.
        analysed_at: When `shown_run` was complete.
    """

    id: str
    sha256: str
    title: str
    filename: str
    size_bytes: int
    source_key: str
    sampling: str
    status: FilmStatus
    stage: Stage
    progress: float
    run: int
    shown_run: int | None
    model_version: str | None
    base_id: str | None
    duration_s: float | None
    width_px: int | None
    height_px: int | None
    frame_rate: float | None
    codec: str | None
    container: str | None
    error_code: str | None
    error_detail: str | None
    warnings: tuple[str, ...]
    created_at: datetime
    updated_at: datetime
    analysed_at: datetime | None


@dataclass(frozen=True, slots=True)
class FilmQuery:
    """Which films are asked for; everything given must hold.

    Attributes:
        tags: Names of tags that the film has, all of them.
        any_tags: Names of tags of which the film has at least one; empty means no such wish.
        not_tags: Names of tags that the film does not have, at whatever score.
        min_score: Each of `tags`, and one of `any_tags`, has this score; where neither is given,
            some tag has it.
        min_coverage_s: Each of `tags`, and that one of `any_tags`, covers so many seconds; where
            neither is given, some tag does.
        status: Where the film stands.
        text: Part of the title, whatever its case.
        model_version: The model whose tags are shown.
        created_after: The film arrived then or later.
        created_before: The film arrived earlier.
        sort: Order; ``-score`` and ``-coverage_s`` need one of `tags`.
    """

    tags: tuple[str, ...] = ()
    any_tags: tuple[str, ...] = ()
    not_tags: tuple[str, ...] = ()
    min_score: float | None = None
    min_coverage_s: float | None = None
    status: FilmStatus | None = None
    text: str | None = None
    model_version: str | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None
    sort: Sort = "-created_at"


@dataclass(frozen=True, slots=True)
class ChunkRecord:
    """How the reading of one stretch of a run went.

    Attributes:
        chunk: Place of the stretch in the plan, from 0.
        start_s: A shot belongs to the stretch that holds its start.
        end_s: End of the stretch; None means the end of the film.
        read_end_s: End of the last frame that was read.
        frame_count: Frames decoded.
        corrupt_count: Frames that were damaged and left out.
        warnings: What a person should know.
        executor_id: The worker that read it.
    """

    chunk: int
    start_s: float
    end_s: float | None
    read_end_s: float
    frame_count: int
    corrupt_count: int
    warnings: tuple[str, ...]
    executor_id: str


@dataclass(frozen=True, slots=True)
class KeyFrameRecord:
    """A stored key frame.

    Attributes:
        n: Number within the film in time order, from 0.
        scores: `(tags,)` float32 in [0, 1], in the order of the model's trained tags.
        thumbnail_key: Where its JPEG lies in the storage.
    """

    n: int
    time_s: float
    shot_start_s: float
    shot_end_s: float
    scores: NDArray[np.float32]
    thumbnail_key: str


@dataclass(frozen=True, slots=True)
class FrameView:
    """A key frame as it is shown: when, in which shot, with its first tags."""

    n: int
    time_s: float
    shot: Shot
    tags: tuple[TagScore, ...]


def score_in(frame: FrameView, tag: str | None) -> float:
    """Return the score that a key frame is shown with for a tag; 0 where it is not among them."""
    return next((one.score for one in frame.tags if one.tag == tag), 0.0)


@dataclass(frozen=True, slots=True)
class ModelRecord:
    """A model the library knows; at most one is active."""

    version: str
    path: str
    manifest: Manifest
    active: bool
    added_at: datetime


def source_key(film_id: str) -> str:
    """Return where a film's bytes lie."""
    return f"films/{film_id}/source"


def film_prefix(film_id: str) -> str:
    """Return the prefix of all objects of a film."""
    return f"films/{film_id}/"


def thumbnail_key(film_id: str, run: int, chunk: int, place: int) -> str:
    """Return where the JPEG of the `place`-th key frame of a chunk lies."""
    return f"films/{film_id}/frames/{run}/{chunk}-{place}.jpg"


def chunk_features_key(film_id: str, run: int, chunk: int) -> str:
    """Return where a chunk's features lie until the run is complete."""
    return f"{chunk_features_prefix(film_id, run)}{chunk}{FEATURE_FILE_SUFFIX}"


def chunk_features_prefix(film_id: str, run: int) -> str:
    """Return the prefix of the features of a run's chunks."""
    return f"films/{film_id}/features/{run}/chunks/"


def features_key(film_id: str, run: int, base_id: str) -> str:
    """Return where a run's features lie, `(frames, feature_size)` float16 in the order of `n`.

    The run is part of the name: features of a run that is not shown yet replace none that are.
    """
    return f"films/{film_id}/features/{run}/{base_id}{FEATURE_FILE_SUFFIX}"


def apply_verdicts(tags: Iterable[FilmTag], verdicts: Mapping[str, Verdict]) -> list[FilmTag]:
    """Let humans have the last word on the model's tags of a film; best first.

    A rejected tag is left out. An accepted one stands with the score `HUMAN_SCORE` and the source
    ``human``; seconds and shots are the model's where it saw the tag too, else none.
    """
    kept = {tag.tag: tag for tag in tags}
    for name, verdict in verdicts.items():
        seen = kept.pop(name, None)
        if verdict is Verdict.ACCEPTED:
            kept[name] = FilmTag(
                tag=name,
                score=HUMAN_SCORE,
                coverage_s=seen.coverage_s if seen else 0.0,
                shot_count=seen.shot_count if seen else 0,
                first_s=seen.first_s if seen else None,
                source="human",
            )
    return in_order(list(kept.values()))


def in_order(tags: Sequence[FilmTag]) -> list[FilmTag]:
    """Return film tags best first; equal scores by name, so that the order never wavers."""
    return sorted(tags, key=lambda tag: (-tag.score, tag.tag))
