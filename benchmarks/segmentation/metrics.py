"""Stretches of tags that were found beside those that are true: seconds, overlaps, boundaries.

Counts stand in arrays `(..., tags, fields)`, so films are added by adding arrays. Knows nothing of
films, networks or pictures.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Interval = tuple[float, float]
"""Half open `[start_s, end_s)`."""
Stretches = Mapping[str, Sequence[Interval]]
"""For each tag its intervals in time order, none touching the next."""

FIELDS = (
    "common_s", "found_s", "true_s", "iou_sum", "true_count", "found_count", "matched_count",
    "error_sum_s", "film_hit", "film_found", "film_true",
)  # fmt: skip
"""What is counted for each tag of a film; the last three are of the film's tags."""
COMMON, FOUND, TRUE, IOU, TRUE_N, FOUND_N, MATCHED, ERROR, F_HIT, F_FOUND, F_TRUE = range(11)

Counts = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Figures:
    """What one way of finding segments is worth; shares in [0, 1], NaN where nothing is to judge.

    Attributes:
        precision: Share of the found seconds that are true; mean over tags.
        recall: Share of the true seconds that are found; mean over tags.
        f1: Harmonic mean of a tag's two; mean over tags.
        micro_precision: As `precision`, over all seconds of all tags.
        micro_recall: As `recall`, over all seconds of all tags.
        micro_f1: Their harmonic mean.
        mean_iou: Of each true segment with the found one it is matched to, 0 where there is none;
            mean over a tag's segments, then over tags.
        boundary_error_s: Mean distance of the starts and ends of matched segments, seconds.
        segment_ratio: Segments found for each true one.
        film_precision: Share of the film tags that are true, over all films.
        film_recall: Share of the films' true tags that are film tags, over all films.
        film_macro_precision: The same; mean over tags.
        film_macro_recall: The same; mean over tags.
    """

    precision: float
    recall: float
    f1: float
    micro_precision: float
    micro_recall: float
    micro_f1: float
    mean_iou: float
    boundary_error_s: float
    segment_ratio: float
    film_precision: float
    film_recall: float
    film_macro_precision: float
    film_macro_recall: float


def joined(intervals: Sequence[Interval]) -> list[Interval]:
    """Return the union of intervals, in time order; those that touch are one."""
    union: list[Interval] = []
    for start_s, end_s in sorted(intervals):
        if union and start_s <= union[-1][1]:
            union[-1] = (union[-1][0], max(union[-1][1], end_s))
        else:
            union.append((start_s, end_s))
    return union


def overlap_s(one: Interval, other: Interval) -> float:
    """Return the seconds that two intervals share."""
    return max(0.0, min(one[1], other[1]) - max(one[0], other[0]))


def iou(one: Interval, other: Interval) -> float:
    """Return the seconds that two intervals share by those that either covers, in [0, 1]."""
    common = overlap_s(one, other)
    return common / (one[1] - one[0] + other[1] - other[0] - common)


def matched(found: Sequence[Interval], true: Sequence[Interval]) -> list[tuple[int, int, float]]:
    """Match each true interval to at most one found one, the best overlap first.

    Returns:
        Places in `found` and `true`, and the overlap (IoU) of each pair, all above 0.
    """
    pairs = [
        (iou(one, other), number, place)
        for number, one in enumerate(found)
        for place, other in enumerate(true)
    ]
    taken_found: set[int] = set()
    taken_true: set[int] = set()
    matches = []
    for share, number, place in sorted(pairs, key=lambda pair: (-pair[0], pair[1], pair[2])):
        if share > 0 and number not in taken_found and place not in taken_true:
            taken_found.add(number)
            taken_true.add(place)
            matches.append((number, place, share))
    return matches


def count_film(
    found: Stretches, true: Stretches, film_tags: Sequence[str], tags: Sequence[str]
) -> Counts:
    """Count one film.

    Args:
        found: Segments that were found.
        true: Segments that are there.
        film_tags: Tags that the film was given as a whole.
        tags: Those that are judged.

    Returns:
        `(tags, len(FIELDS))` float64.
    """
    counts = np.zeros((len(tags), len(FIELDS)))
    for place, tag in enumerate(tags):
        ours, theirs = found.get(tag, ()), true.get(tag, ())
        pairs = matched(ours, theirs)
        errors_s = [
            (abs(ours[one][0] - theirs[other][0]) + abs(ours[one][1] - theirs[other][1])) / 2
            for one, other, _ in pairs
        ]
        kept, there = tag in film_tags, bool(theirs)
        counts[place] = (
            sum(overlap_s(one, other) for one in ours for other in theirs),
            sum(end - start for start, end in ours), sum(end - start for start, end in theirs),
            sum(share for _, _, share in pairs), len(theirs), len(ours), len(pairs),
            sum(errors_s), kept and there, kept, there,
        )  # fmt: skip
    return counts


def per_tag(counts: Counts) -> dict[str, Counts]:
    """Return precision, recall, F1, mean IoU and boundary error of each tag.

    Args:
        counts: `(..., tags, fields)`, summed over films.

    Returns:
        Arrays `(..., tags)`. NaN where a tag is not there, for precision also where nothing was
        found; F1 and IoU of a tag that is there and was not found are 0.
    """
    there = counts[..., TRUE] > 0
    f1 = _share(2 * counts[..., COMMON], counts[..., FOUND] + counts[..., TRUE])
    return {
        "precision": np.where(there, _share(counts[..., COMMON], counts[..., FOUND]), np.nan),
        "recall": _share(counts[..., COMMON], counts[..., TRUE]),
        "f1": np.where(there, f1, np.nan),
        "mean_iou": _share(counts[..., IOU], counts[..., TRUE_N]),
        "boundary_error_s": _share(counts[..., ERROR], counts[..., MATCHED]),
    }


def figures(counts: Counts) -> Figures:
    """Return what films are worth together; `counts` is `(tags, fields)`, summed over films."""
    tags, total = per_tag(counts), counts.sum(axis=0)
    film_precision = _share(counts[:, F_HIT], counts[:, F_FOUND])
    there = counts[:, F_TRUE] > 0
    values = (
        *(_mean(tags[name]) for name in ("precision", "recall", "f1")),
        _share(total[COMMON], total[FOUND]),
        _share(total[COMMON], total[TRUE]),
        _share(2 * total[COMMON], total[FOUND] + total[TRUE]),
        _mean(tags["mean_iou"]),
        _share(total[ERROR], total[MATCHED]),
        _share(total[FOUND_N], total[TRUE_N]),
        _share(total[F_HIT], total[F_FOUND]),
        _share(total[F_HIT], total[F_TRUE]),
        _mean(np.where(there, film_precision, np.nan)),
        _mean(_share(counts[:, F_HIT], counts[:, F_TRUE])),
    )
    return Figures(*(float(value) for value in values))


def worth(counts: Counts) -> Counts:
    """Return what a default is chosen by, `(...,)`: the mean of macro F1 and macro mean IoU.

    F1 asks for the right seconds; IoU for the right pieces, neither torn nor glued.
    """
    return (macro_f1(counts) + macro_iou(counts)) / 2


def macro_f1(counts: Counts) -> Counts:
    """Return the mean of the tags' F1, `(...,)`."""
    return _mean(per_tag(counts)["f1"])


def micro_f1(counts: Counts) -> Counts:
    """Return F1 over all seconds of all tags, `(...,)`."""
    total = counts.sum(axis=-2)
    return _share(2 * total[..., COMMON], total[..., FOUND] + total[..., TRUE])


def macro_iou(counts: Counts) -> Counts:
    """Return the mean of the tags' mean IoU, `(...,)`."""
    return _mean(per_tag(counts)["mean_iou"])


def difference(
    one: Counts,
    other: Counts,
    measure: Callable[[Counts], Counts] = worth,
    draws: int = 2000,
    seed: int = 1,
) -> tuple[float, float, float]:
    """Compare two ways on the same films: one less other, with its 95 % interval.

    Args:
        one: `(films, tags, fields)`.
        other: The same films in the same order.
        measure: What is compared; takes `(..., tags, fields)`.
        draws: Samples of films, with replacement.
        seed: Decides them.

    Source:
        Paired percentile bootstrap over films: Efron and Tibshirani 1993, section 13.3.
    """
    films = len(one)
    weights = np.random.default_rng(seed).multinomial(films, np.full(films, 1 / films), draws)
    gains = measure(np.tensordot(weights, one, 1)) - measure(np.tensordot(weights, other, 1))
    low, high = np.quantile(gains, (0.025, 0.975))
    gain = measure(one.sum(axis=0)) - measure(other.sum(axis=0))
    return float(gain), float(low), float(high)


def _share(part: Counts, whole: Counts) -> Counts:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(whole > 0, part / whole, np.nan)


def _mean(values: Counts) -> Counts:
    """Mean over the last axis of what is not NaN; NaN where all is."""
    known = ~np.isnan(values)
    return _share(np.where(known, values, 0).sum(axis=-1), known.sum(axis=-1))
