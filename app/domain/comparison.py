"""Two models side by side: which tags gain, which lose, which only one of them knows.

Knows the figures that `metrics.json` holds; not where they were measured.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

TOTALS = ("hit_at_1", "hit_at_3", "macro_map", "micro_map")
"""Figures of a whole model, as `metrics.json` names them."""


@dataclass(frozen=True, slots=True)
class TagFigures:
    """How well a model finds one tag; None where it was not measured.

    Attributes:
        ap: Average precision, in [0, 1].
        precision: Of the pictures that get the tag, the share that have it.
        recall: Of the pictures that have the tag, the share that get it.
        support: Pictures that have it.
    """

    ap: float | None = None
    precision: float | None = None
    recall: float | None = None
    support: int | None = None


@dataclass(frozen=True, slots=True)
class TagChange:
    """One tag in two models; None where a model was not trained on it."""

    tag: str
    before: TagFigures | None
    after: TagFigures | None

    @property
    def gain(self) -> float | None:
        """Average precision won, negative where it was lost; None where it cannot be said."""
        if self.before is None or self.after is None:
            return None
        return difference(self.before.ap, self.after.ap)


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two models, the second seen from the first.

    Attributes:
        totals: Figures of the whole models, first and second, by their name in `TOTALS`.
        tags: Tags that either was trained on: those of both by gain, the greatest first, then
            those not measured in both, then those that only one has.
        is_same_test: Whether both were measured on as many pictures of each common tag.
    """

    totals: dict[str, tuple[float | None, float | None]]
    tags: tuple[TagChange, ...]
    is_same_test: bool

    @property
    def only_before(self) -> list[str]:
        """Tags that the second model does not know any more."""
        return [change.tag for change in self.tags if change.after is None]

    @property
    def only_after(self) -> list[str]:
        """Tags that only the second model knows."""
        return [change.tag for change in self.tags if change.before is None]


def compare(
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    before_tags: Sequence[str],
    after_tags: Sequence[str],
) -> Comparison:
    """Compare two models by their figures.

    Args:
        before: `metrics.json` of the first model; what it does not hold counts as not measured.
        after: That of the second.
        before_tags: The tags that the first was trained on.
        after_tags: Those of the second.
    """
    names = list(dict.fromkeys([*before_tags, *after_tags]))
    changes = [
        TagChange(
            name,
            _figures(before, name) if name in before_tags else None,
            _figures(after, name) if name in after_tags else None,
        )
        for name in names
    ]
    totals = {name: (_number(before.get(name)), _number(after.get(name))) for name in TOTALS}
    common = [(one.before, one.after) for one in changes if one.before and one.after]
    same = all(old.support == new.support for old, new in common)
    return Comparison(totals, tuple(sorted(changes, key=_order)), same)


def difference(before: float | None, after: float | None) -> float | None:
    """Return what was won between two figures; None where one is not known."""
    return None if before is None or after is None else after - before


def _order(change: TagChange) -> tuple[int, float, str]:
    missing = (change.before is None) + 2 * (change.after is None)
    gain = change.gain
    return (missing, 1 if gain is None else 0, change.tag) if gain is None else (0, -1 - gain, "")


def _figures(metrics: Mapping[str, Any], tag: str) -> TagFigures:
    per_tag = metrics.get("per_tag")
    found = per_tag.get(tag) if isinstance(per_tag, Mapping) else None
    if not isinstance(found, Mapping):
        return TagFigures()
    support = _number(found.get("support"))
    return TagFigures(
        _number(found.get("ap")),
        _number(found.get("precision")),
        _number(found.get("recall")),
        None if support is None else int(support),
    )


def _number(value: object) -> float | None:
    """Return a figure; JSON of other programs may hold anything in its place."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value)
