"""Finished cells -> a table, a JSON file and a curve. Knows no picture and no network."""

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.transfer.cells import Cell

MEASURES = {"macro_map": "macro mAP", "hit_at_1": "Hit@1"}
RIVAL = "from scratch"
"""The way that the others' gain is counted from."""

_COLOURS = ("#1b6ca8", "#2a9d5c", "#d1495b")


@dataclass(frozen=True, slots=True)
class Row:
    """All seeds of one way with one number of pictures.

    Attributes:
        way: How it was learned.
        count: Pictures a tag.
        seeds: Seeds that are finished.
        mean: For each measure the mean over the seeds, 0..1.
        spread: The sample standard deviation over the seeds; None with a single one.
        gain: The mean gain over `RIVAL`, paired by seed; None where there is no pair.
        least_gain: The smallest of these gains.
    """

    way: str
    count: int
    seeds: tuple[int, ...]
    mean: dict[str, float]
    spread: dict[str, float | None]
    gain: dict[str, float | None]
    least_gain: dict[str, float | None]


def summarise(cells: Iterable[Cell], ways: Sequence[str]) -> list[Row]:
    """Bring cells together by number of pictures, then by way in the given order."""
    found = {(cell["way"], cell["count"], cell["seed"]): cell for cell in cells}
    rows = []
    for count in sorted({count for _, count, _ in found}):
        for way in ways:
            seeds = tuple(sorted(seed for w, c, seed in found if (w, c) == (way, count)))
            if not seeds:
                continue
            paired = [s for s in seeds if way != RIVAL and (RIVAL, count, s) in found]
            values = {m: [found[way, count, seed][m] for seed in seeds] for m in MEASURES}
            gains = {
                m: [found[way, count, s][m] - found[RIVAL, count, s][m] for s in paired]
                for m in MEASURES
            }
            rows.append(
                Row(
                    way,
                    count,
                    seeds,
                    {m: statistics.fmean(values[m]) for m in MEASURES},
                    {m: statistics.stdev(values[m]) if seeds[1:] else None for m in MEASURES},
                    {m: statistics.fmean(gains[m]) if paired else None for m in MEASURES},
                    {m: min(gains[m], default=None) for m in MEASURES},
                )
            )
    return rows


def table(rows: Sequence[Row]) -> str:
    """Return a Markdown table: mean ± spread, and the gain over learning from scratch."""
    head = ["pictures a tag", "way", "seeds"]
    for name in MEASURES.values():
        head += [name, "gain (least)"]
    lines = [head, ["---"] * len(head)]
    for row in rows:
        line = [str(row.count), row.way, str(len(row.seeds))]
        for measure in MEASURES:
            spread, gain, least = (
                part[measure] for part in (row.spread, row.gain, row.least_gain)
            )  # fmt: skip
            line.append(f"{row.mean[measure]:.3f}" + ("" if spread is None else f" ± {spread:.3f}"))
            line.append("-" if gain is None else f"{gain:+.3f} ({least:+.3f})")
        lines.append(line)
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def as_json(rows: Sequence[Row], setup: dict[str, Any], chance: dict[str, float]) -> dict[str, Any]:
    """Return what `results.json` holds."""
    return {"setup": setup, "chance": chance, "rows": [asdict(row) for row in rows]}


def summary(setup: dict[str, Any], chance: dict[str, float]) -> str:
    """Return what was compared, in a few lines."""
    return (
        f"Source tags: {', '.join(setup['source_tags'])}.\n"
        f"Target tags: {', '.join(setup['target_tags'])}.\n\n"
        f"Input {setup['input_px']} px; {setup['steps']} steps of {setup['batch']} pictures a "
        f"cell (from scratch: {setup['scratch_steps']}); {setup['held_out']} validation pictures. "
        f"By chance: macro mAP {chance['macro_map']:.3f}, Hit@1 {chance['hit_at_1']:.3f}."
    )


def draw_curve(path: Path, rows: Sequence[Row], chance: dict[str, float]) -> None:
    """Draw mean and spread over the pictures a tag, a line for each way, as SVG."""
    import matplotlib as mpl

    mpl.use("Agg")
    mpl.rcParams["svg.hashsalt"] = "transfer"  # the same figures give the same file
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(9, 3.8), layout="constrained")
    ways = list(dict.fromkeys(row.way for row in rows))
    counts = sorted({row.count for row in rows})
    for axis, (measure, name) in zip(axes, MEASURES.items(), strict=True):
        for place, way in enumerate(ways):
            own = [row for row in rows if row.way == way]
            axis.errorbar(
                [row.count for row in own], [row.mean[measure] for row in own],
                yerr=[row.spread[measure] or 0 for row in own], label=way, marker="o",
                markersize=4, linewidth=1.6, capsize=3, color=_COLOURS[place % len(_COLOURS)],
            )  # fmt: skip
        axis.axhline(chance[measure], color="#888888", linestyle=":", linewidth=1, label="chance")
        axis.set_xscale("log")
        axis.set_xticks(counts, [str(count) for count in counts])
        axis.minorticks_off()
        axis.set_xlabel("training pictures a tag")
        axis.set_title(f"{name}, target tags, validation split", fontsize=10)
        axis.set_ylim(bottom=0)
        axis.grid(alpha=0.3)
    axes[0].legend(fontsize=8, frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, format="svg", metadata={"Date": None})
    plt.close(figure)


def rewrite(page: Path, text: str) -> None:
    """Replace what stands between the page's two marks.

    Raises:
        ValueError: The page has no such marks; it is left as it was.
    """
    begin, end = "<!-- figures: begin -->", "<!-- figures: end -->"
    before, found, rest = page.read_text(encoding="utf-8").partition(begin)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        raise ValueError(f"{page} has no marks {begin} and {end}")
    page.write_text(f"{before}{begin}\n{text}\n{end}{after}", encoding="utf-8")
