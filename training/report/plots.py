"""Plots of an evaluation as SVG text that can stand inside a page.

Knows scores, figures and the rows of a run's log; knows no HTML.
"""

import io
import re
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from training.metrics import Scores, Truth, precision_recall

NETWORK_COLOUR, BASELINE_COLOUR, LIGHT = "#1b6ca8", "#c4572e", "#b8c4cc"
_STYLE: Any = {"text.parse_math": False, "svg.fonttype": "none"}
"""A `$` in a tag is no formula; letters stay letters, which is smaller and can be selected."""

_POINTS = 150
_COLUMNS = 6


@mpl.rc_context(_STYLE)
def precision_recall_plot(scores: Scores, truth: Truth, baseline: Scores | None) -> str:
    """Draw precision over recall of all picture-tag pairs, network and baseline."""
    figure = Figure(figsize=(6, 4), layout="constrained")
    axis = figure.subplots()
    for name, found, colour in (
        ("network", scores, NETWORK_COLOUR),
        ("baseline", baseline, BASELINE_COLOUR),
    ):
        if found is not None:
            recall, precision = thinned(*precision_recall(found.ravel(), truth.ravel()))
            axis.plot(recall, precision, color=colour, label=name)
    axis.axhline(float(truth.mean()), color=LIGHT, linestyle=":", label="chance")
    _unit_square(axis)
    axis.set(xlabel="recall", ylabel="precision")
    axis.legend(frameon=False)
    return as_svg(figure, "overall")


@mpl.rc_context(_STYLE)
def precision_recall_per_tag(
    scores: Scores,
    truth: Truth,
    per_tag: Mapping[str, Mapping[str, Any]],
    baseline: Scores | None,
) -> str:
    """Draw a small curve for each tag with pictures; the dot is where its threshold stands."""
    there = [place for place, row in enumerate(per_tag.values()) if row["support"]]
    tags, rows = list(per_tag), -(-len(there) // _COLUMNS)
    figure = Figure(figsize=(1.75 * _COLUMNS, 1.75 * rows), layout="constrained")
    axes = figure.subplots(rows, _COLUMNS, squeeze=False, sharex=True, sharey=True)
    for axis in axes.flat[len(there) :]:
        axis.set_axis_off()
    for axis, place in zip(axes.flat, there, strict=False):
        row = per_tag[tags[place]]
        if baseline is not None:
            curve = precision_recall(baseline[:, place], truth[:, place])
            axis.plot(*thinned(*curve), color=BASELINE_COLOUR, linewidth=0.8)
        curve = precision_recall(scores[:, place], truth[:, place])
        axis.plot(*thinned(*curve), color=NETWORK_COLOUR, linewidth=1.2)
        if row["precision"] is not None:
            axis.plot(row["recall"], row["precision"], "o", color="black", markersize=3)
        axis.set_title(f"{tags[place]}  {row['ap']:.2f}", fontsize=8)
        axis.tick_params(labelsize=6)
        _unit_square(axis)
    return as_svg(figure, "tags")


@mpl.rc_context(_STYLE)
def reliability_plot(calibration: Mapping[str, Any]) -> str:
    """Draw the share that is right over the score, for best tags and for all pairs."""
    figure = Figure(figsize=(9, 4), layout="constrained")
    panels = (("best_tag", "best tag of each picture"), ("pairs", "every picture-tag pair"))
    for axis, (name, title) in zip(figure.subplots(1, 2), panels, strict=True):
        bins = calibration[name]["bins"]
        lows = [item["low"] for item in bins]
        widths = [item["high"] - item["low"] for item in bins]
        axis.bar(lows, [item["share"] for item in bins], widths, align="edge",
                 color=NETWORK_COLOUR, alpha=0.6, edgecolor="white")  # fmt: skip
        axis.plot([0, 1], [0, 1], color="black", linestyle=":", linewidth=1)
        axis.plot([item["score"] for item in bins], [item["share"] for item in bins], "o",
                  color="black", markersize=3)  # fmt: skip
        _unit_square(axis)
        axis.set(xlabel="score", ylabel="share labelled")
        axis.set_title(f"{title}: ECE {calibration[name]['ece']:.3f}", fontsize=10)
    return as_svg(figure, "reliability")


@mpl.rc_context(_STYLE)
def learning_plot(log: Sequence[Mapping[str, float]]) -> str:
    """Draw a run's log: the loss, and the validation figures that it holds.

    Args:
        log: A row per epoch; `epoch` and `loss` at least, other figures where they are known.
    """
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    epochs = [row["epoch"] for row in log]
    left.plot(epochs, [row["loss"] for row in log], color=NETWORK_COLOUR, marker=".")
    left.set(xlabel="epoch", ylabel="training loss")
    for name in ("hit_at_1", "hit_at_3", "macro_map", "micro_map"):
        known = [row for row in log if name in row]
        if known:
            places = [row["epoch"] for row in known]
            right.plot(places, [row[name] for row in known], marker=".", label=name)
    right.set(xlabel="epoch", ylabel="validation")
    right.legend(frameon=False, fontsize=8)
    for axis in (left, right):
        axis.grid(alpha=0.3)
    return as_svg(figure, "learning")


@mpl.rc_context(_STYLE)
def baseline_plot(per_tag: Mapping[str, Mapping[str, Any]], theirs: Mapping[str, Any]) -> str:
    """Draw the average precision of each tag, network and baseline, the best first."""
    known = [tag for tag, row in per_tag.items() if row["ap"] is not None]
    known.sort(key=lambda tag: per_tag[tag]["ap"])
    figure = Figure(figsize=(7, 1 + 0.22 * len(known)), layout="constrained")
    axis = figure.subplots()
    places = np.arange(len(known))
    for name, values, shift, colour in (
        ("network", [per_tag[tag]["ap"] for tag in known], 0.2, NETWORK_COLOUR),
        ("baseline", [theirs[tag] or 0 for tag in known], -0.2, BASELINE_COLOUR),
    ):
        axis.barh(places + shift, values, 0.4, color=colour, label=name)
    axis.set_yticks(places, known, fontsize=8)
    axis.set(xlabel="average precision", xlim=(0, 1), ylim=(-0.6, len(known) - 0.4))
    axis.legend(frameon=False, loc="lower right")
    return as_svg(figure, "baseline")


def as_svg(figure: Figure, name: str) -> str:
    """Write a figure as SVG for the inside of a page.

    Args:
        figure: Drawn.
        name: Goes before every id, so that two plots on one page share none.
    """
    out = io.StringIO()
    with mpl.rc_context({"svg.hashsalt": name}):
        figure.savefig(out, format="svg", metadata={"Date": None})
    text = out.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    return re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{name}-", text)


def thinned(
    recall: NDArray[np.float64], precision: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Keep the points where recall grows, and of those so many that the eye misses none.

    Args:
        recall: As `metrics.precision_recall`.
        precision: Likewise.
    """
    grown = np.flatnonzero(np.diff(recall, prepend=0.0))
    kept = grown[np.unique(np.linspace(0, len(grown) - 1, _POINTS).astype(np.int64))]
    return recall[kept], precision[kept]


def _unit_square(axis: Any) -> None:  # noqa: ANN401 (matplotlib has no types here)
    axis.set(xlim=(0, 1), ylim=(0, 1.02))
    axis.grid(alpha=0.3)
