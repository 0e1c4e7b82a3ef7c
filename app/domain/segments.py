"""Shots with scores -> the stretches of a film where a tag holds.

Works on stored score rows, so an answer for other options needs no network.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from app.domain.shots import ScoredShot
from app.domain.tags import DEFAULT_TOP_K, Segment, top_indices

DEFAULT_MAX_GAP_S = 2.0
"""Two shots of a theme with a shorter reaction shot between them are one segment.

Source: measured, docs/segmentation.md: no other gap from 0 to 10 s is better beyond chance."""

TOUCHING_S = 1e-6
"""Times are float seconds: ends nearer than a microsecond are the same moment."""


@dataclass(frozen=True, slots=True)
class SegmentRules:
    """What makes a segment.

    Attributes:
        top_k: A shot holds the tags that are among its first `top_k`.
        min_score: A shot holds a tag only at this score or above, in [0, 1].
        max_gap_s: Segments at most so far apart become one.
        min_duration_s: Shorter segments are dropped, after merging.
    """

    top_k: int = DEFAULT_TOP_K
    min_score: float = 0.0
    max_gap_s: float = DEFAULT_MAX_GAP_S
    min_duration_s: float = 0.0


def tag_segments(
    shots: Iterable[ScoredShot],
    tags: Sequence[str],
    rules: SegmentRules,
    only: Iterable[str] | None = None,
) -> list[Segment]:
    r"""Merge the shots that hold a tag into segments, ordered by start, then by tag order.

    A shot holds a tag that is among its `top_k` with a score of at least `min_score`. Consecutive
    holding shots whose gap is at most `max_gap_s` become one segment, whose score is the mean of
    its shots' scores weighted by their seconds: :math:`\sum d_s p_s(t) / \sum d_s`; a bridged gap
    adds to its length and not to its score.

    Args:
        shots: Scored shots of one film, in any order.
        tags: The trained tags, in the order of a score row.
        rules: What makes a segment.
        only: Tags to look for; None means all. A tag that was not trained yields nothing.
    """
    wanted = set(tags if only is None else only)
    holding: dict[int, list[tuple[float, float, float]]] = {}
    for scored in sorted(shots, key=lambda scored: scored.shot.start_s):
        scores = scored.scores
        for place in top_indices(scores, rules.top_k):
            score = float(scores[place])
            if tags[place] in wanted and score >= rules.min_score:
                stretch = (scored.shot.start_s, scored.shot.end_s, score)
                holding.setdefault(place, []).append(stretch)
    segments = [
        segment
        for place, stretches in sorted(holding.items())
        for segment in _merged(tags[place], stretches, rules)
    ]
    return sorted(segments, key=lambda segment: segment.start_s)


def _merged(
    tag: str, stretches: Sequence[tuple[float, float, float]], rules: SegmentRules
) -> Iterable[Segment]:
    """Join stretches `(start_s, end_s, score)` that stand in time order."""
    group: list[tuple[float, float, float]] = []
    for stretch in [*stretches, None]:
        end_s = max((end for _, end, _ in group), default=0.0)
        if group and (stretch is None or stretch[0] - end_s > rules.max_gap_s + TOUCHING_S):
            seconds = sum(end - start for start, end, _ in group)
            score = sum((end - start) * score for start, end, score in group) / seconds
            if end_s - group[0][0] >= rules.min_duration_s - TOUCHING_S:
                yield Segment(tag, group[0][0], end_s, score)
            group = []
        if stretch is not None:
            group.append(stretch)
