"""Shots with scores -> a compact set of film tags.

The paper says that tags are weighed and filtered; its formula is not published in what we could
read, so the one here is ours. Knows no network: only rows of scores and durations.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from app.domain.shots import ScoredShot
from app.domain.tags import DEFAULT_TOP_K, FilmTag, top_indices

MAX_FILM_TAGS = 10
"""A film with more than ten tags is not told apart by them."""

FRACTION_OF_BEST = 0.1
"""A tag that weighs less than a tenth of the film's first tag is noise."""


@dataclass(frozen=True, slots=True)
class AggregationRules:
    """What may become a film tag.

    Attributes:
        top_k: Only a shot's first `top_k` tags count.
        thresholds: For each tag the score that its strongest shot must reach; a tag without one
            needs none.
        fraction_of_best: Share of the best film tag's score that a tag must reach, in [0, 1].
        max_tags: At most so many tags.
    """

    thresholds: Mapping[str, float]
    top_k: int = DEFAULT_TOP_K
    fraction_of_best: float = FRACTION_OF_BEST
    max_tags: int = MAX_FILM_TAGS


@dataclass(slots=True)
class _Tally:
    weighted: float = 0.0
    strongest: float = 0.0
    coverage_s: float = 0.0
    shot_count: int = 0
    first_s: float = float("inf")


def film_tags(
    shots: Sequence[ScoredShot], tags: Sequence[str], rules: AggregationRules
) -> list[FilmTag]:
    r"""Weigh the shots' tags into the film's, best first.

    A shot :math:`s` of :math:`d_s` seconds speaks with the mean :math:`p_s` of its key frames'
    score rows. With :math:`K_s` its `top_k` tags, the score of tag :math:`t` is

    .. math:: S(t) = \sum_{s : t \in K_s} d_s \, p_s(t) \; / \; \sum_s d_s

    which is 1 only where every shot is sure of it. A tag is kept where
    :math:`\max_{s : t \in K_s} p_s(t)` reaches its threshold (it was seen for sure at least once)
    and :math:`S(t)` reaches `fraction_of_best` of the best kept score; at most `max_tags` are.
    The order of `shots` does not matter; ties stand in the order of `tags`.

    Args:
        shots: Scored shots of one film; score rows `(tags,)` in [0, 1].
        tags: The trained tags, in the order of a score row.
        rules: What may become a film tag.

    Source:
        ADR 0004; the weighing by duration follows the plan of the project, not the paper.
    """
    tallies = _tally(shots, rules.top_k)
    total_s = math.fsum(scored.shot.duration_s for scored in shots)
    found = [
        FilmTag(tags[place], tally.weighted / total_s, tally.coverage_s, tally.shot_count,
                tally.first_s)
        for place, tally in sorted(tallies.items())
        if tally.strongest >= np.float32(rules.thresholds.get(tags[place], 0.0))
    ]  # fmt: skip
    found.sort(key=lambda tag: -tag.score)
    least = rules.fraction_of_best * found[0].score if found else 0.0
    return [tag for tag in found if tag.score >= least][: rules.max_tags]


def _tally(shots: Sequence[ScoredShot], top_k: int) -> dict[int, _Tally]:
    tallies: dict[int, _Tally] = {}
    for scored in sorted(shots, key=lambda scored: scored.shot.start_s):
        scores = scored.scores
        for place in top_indices(scores, top_k):
            tally = tallies.setdefault(place, _Tally())
            score = float(scores[place])
            tally.weighted += scored.shot.duration_s * score
            tally.strongest = max(tally.strongest, score)
            tally.coverage_s += scored.shot.duration_s
            tally.shot_count += 1
            tally.first_s = min(tally.first_s, scored.shot.start_s)
    return tallies
