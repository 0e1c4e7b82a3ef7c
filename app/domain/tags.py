"""Tags with scores: of a frame, of a film, over time.

Knows which order scores have in a row; not how they were made.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

DEFAULT_TOP_K = 3
"""Tags kept for each key frame. Source: the paper keeps the top three."""

Source = Literal["model", "human"]


@dataclass(frozen=True, slots=True)
class TagScore:
    """A tag and how sure the network, or the human who accepted it, is of it, in [0, 1]."""

    tag: str
    score: float
    source: Source = "model"


@dataclass(frozen=True, slots=True)
class FilmTag:
    """A tag that holds for a film.

    Attributes:
        tag: Name in the vocabulary.
        score: In [0, 1]; see `domain.aggregation.film_tags`.
        coverage_s: Seconds of the shots that hold the tag.
        shot_count: Number of those shots.
        first_s: Start of the first of them; None for a human's tag that the model never saw.
        source: Who says so.
    """

    tag: str
    score: float
    coverage_s: float
    shot_count: int
    first_s: float | None
    source: Source = "model"


@dataclass(frozen=True, slots=True)
class Segment:
    """Where a tag holds in a film, half open `[start_s, end_s)`, with a score in [0, 1]."""

    tag: str
    start_s: float
    end_s: float
    score: float
    source: Source = "model"


def top_indices(scores: NDArray[np.float32], top_k: int) -> list[int]:
    """Return the places of the `top_k` highest of `scores`, `(tags,)`, best first.

    Equal scores keep the row's order, so the answer never depends on the machine. Scores of zero
    are never among them.
    """
    order = np.argsort(-scores, kind="stable")[:top_k]
    return [int(place) for place in order if scores[place] > 0]


def top_tags(
    scores: NDArray[np.float32], tags: Sequence[str], top_k: int = DEFAULT_TOP_K
) -> list[TagScore]:
    """Return the `top_k` tags of one score row, `(tags,)`, best first."""
    return [TagScore(tags[place], float(scores[place])) for place in top_indices(scores, top_k)]


def margin_of(scores: NDArray[np.float32]) -> float:
    """Return by how much the best of a score row, `(tags,)`, leads the second best.

    Small: the network is unsure of the frame. A row of one tag is led from zero.

    Source:
        Scheffer, Decomain & Wrobel 2001, "Active Hidden Markov Models for Information
        Extraction", section 4 (margin sampling).
    """
    best = np.sort(scores)[::-1]
    second = float(best[1]) if len(best) > 1 else 0.0
    return float(best[0]) - second
