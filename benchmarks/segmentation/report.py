"""Counts -> tables for people, and the plot of the docs. Knows no film and no network."""

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from app.domain.segments import DEFAULT_MAX_GAP_S
from app.domain.tags import DEFAULT_TOP_K
from benchmarks.segmentation.measure import GAPS_S, TOP_KS, Choice, Watched
from benchmarks.segmentation.metrics import (
    TRUE,
    Counts,
    difference,
    figures,
    macro_f1,
    macro_iou,
    micro_f1,
    per_tag,
    worth,
)

NAMES = {"ours": "shots (ours)", "peer": "a frame a second (peer)"}
HEAD = (
    "way", "top_k", "gap s", "P", "R", "F1", "IoU", "edge s", "pieces",
    "micro P", "micro R", "micro F1",
)  # fmt: skip
MEASURES = {"F1": macro_f1, "micro F1": micro_f1, "IoU": macro_iou, "worth": worth}
Results = Mapping[Choice, Counts]


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a Markdown table whose columns also line up in a terminal."""
    lines = [[str(cell) for cell in row] for row in (head, *rows)]
    widths = [max(len(line[place]) for line in lines) for place in range(len(head))]
    texts = [
        "| "
        + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        + " |"
        for line in lines
    ]
    return "\n".join([texts[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|",
                      *texts[1:]])  # fmt: skip


def segments_table(results: Results, *, film_tags_only: bool, gaps: Sequence[float]) -> str:
    """Return precision, recall, F1, IoU, boundary error of segments for each choice."""
    rows = []
    for choice, counts in results.items():
        if choice.film_tags_only is film_tags_only and choice.max_gap_s in gaps:
            found = figures(counts.sum(axis=0))
            rows.append((
                NAMES[choice.way], choice.top_k, f"{choice.max_gap_s:g}",
                _two(found.precision), _two(found.recall), _two(found.f1), _two(found.mean_iou),
                _two(found.boundary_error_s), _two(found.segment_ratio),
                _two(found.micro_precision), _two(found.micro_recall), _two(found.micro_f1),
            ))  # fmt: skip
    return table(HEAD, rows)


def film_table(results: Results) -> str:
    """Return precision and recall of the film tags for each `top_k`; gaps do not touch them."""
    rows = []
    for choice, counts in results.items():
        if choice.max_gap_s == GAPS_S[0] and not choice.film_tags_only:
            found = figures(counts.sum(axis=0))
            rows.append((
                NAMES[choice.way], choice.top_k,
                _two(found.film_precision), _two(found.film_recall),
                _two(found.film_macro_precision), _two(found.film_macro_recall),
            ))  # fmt: skip
    return table(("way", "top_k", "micro P", "micro R", "macro P", "macro R"), rows)


def gain_table(results: Results) -> str:
    """Return what other gaps and other numbers of tags gain over the defaults, paired by film."""
    rows = []
    now = results[Choice("ours", DEFAULT_TOP_K, DEFAULT_MAX_GAP_S)]
    others = [(DEFAULT_TOP_K, gap_s) for gap_s in GAPS_S]
    others += [(top_k, DEFAULT_MAX_GAP_S) for top_k in TOP_KS]
    for top_k, gap_s in dict.fromkeys(others):
        if (top_k, gap_s) != (DEFAULT_TOP_K, DEFAULT_MAX_GAP_S):
            other = results[Choice("ours", top_k, gap_s)]
            gains = [difference(other, now, measure) for measure in MEASURES.values()]
            said = [f"{gain:+.3f} ({low:+.3f} to {high:+.3f})" for gain, low, high in gains]
            rows.append((top_k, f"{gap_s:g}", *said))
    return table(("top_k", "gap s", *MEASURES), rows)


def tag_table(results: Results, tags: Sequence[str]) -> str:
    """Return each tag's figures with the defaults, best first; tags that no film has are left out.

    Columns are of the segments as they are, `F1 film` of those of film tags only.
    """
    choice = Choice("ours", DEFAULT_TOP_K, DEFAULT_MAX_GAP_S)
    counts = results[choice].sum(axis=0)
    known = per_tag(counts)
    kept = Choice(choice.way, choice.top_k, choice.max_gap_s, film_tags_only=True)
    f1_film = per_tag(results[kept].sum(axis=0))["f1"]
    there = [place for place in range(len(tags)) if counts[place, TRUE] > 0]
    there.sort(key=lambda place: -float(known["f1"][place]))
    rows = [
        (tags[place], f"{counts[place, TRUE]:.0f}",
         *(_two(float(known[name][place])) for name in known), _two(float(f1_film[place])))
        for place in there
    ]  # fmt: skip
    return table(("tag", "true s", "P", "R", "F1", "IoU", "edge s", "F1 film"), rows)


def summary(watched: Sequence[Watched], split: str, model: str) -> str:
    """Return what was looked at, in a sentence or two."""
    seconds = sum(one.film.duration_s for one in watched)
    shots = sum(one.film.shot_count for one in watched)
    found = sum(len(one.pieces["ours"]) for one in watched)
    ours, peer = (sum(one.frames(way) for one in watched) for way in ("ours", "peer"))
    return (
        f"{len(watched)} films of the {split} split, {seconds:.0f} s, {shots} shots "
        f"({found} found), model {model}; key frames: {ours} (ours), {peer} (peer)."
    )


def draw_plot(path: Path, results: Results, title: str) -> None:
    """Draw the figures over the gap, a line for each `top_k`; the peer's are dashed."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    panels = (
        ("precision", "precision (time, macro)"), ("recall", "recall (time, macro)"),
        ("f1", "F1 (time, macro)"), ("mean_iou", "mean IoU of segments"),
        ("boundary_error_s", "boundary error, seconds"),
        ("segment_ratio", "segments found for each true one"),
    )  # fmt: skip
    figure, axes = plt.subplots(2, 3, figsize=(11, 6.4), sharex=True, layout="constrained")
    colours = dict(zip(TOP_KS, ("#1b6ca8", "#2a9d5c", "#d1495b", "#8d6bb8"), strict=True))
    places = range(len(GAPS_S))
    for axis, (name, label) in zip(axes.flat, panels, strict=True):
        for way, style in (("ours", "-"), ("peer", "--")):
            for top_k in TOP_KS:
                values = [
                    getattr(figures(results[Choice(way, top_k, gap_s)].sum(axis=0)), name)
                    for gap_s in GAPS_S
                ]
                axis.plot(places, values, style, color=colours[top_k], marker=".", linewidth=1.6,
                          label=f"{NAMES[way]}, top {top_k}")  # fmt: skip
        axis.set_title(label, fontsize=10)
        axis.set_xticks(list(places), [f"{gap_s:g}" for gap_s in GAPS_S])
        axis.grid(alpha=0.3)
        axis.set_ylim(bottom=0)
    for axis in axes[1]:
        axis.set_xlabel("gaps joined up to, seconds")
    handles, labels = axes.flat[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, fontsize=8, frameon=False)
    figure.suptitle(title, fontsize=11)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=90)
    plt.close(figure)


def _two(number: float) -> str:
    return "-" if math.isnan(number) else f"{number:.2f}"
