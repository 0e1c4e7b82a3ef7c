"""The command of `reeltag-train` that measures: figures, baseline, report.

Reads options and prints tables; knows no figure itself.
"""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from models.artifact import load_artifact
from training.console import (
    EXIT_USAGE,
    FIGURES,
    clear_errors,
    console,
    fail,
    quiet_tensorflow,
    show_metrics,
)
from training.dataset import SPLITS, Split, read_collection
from training.errors import BadConfigError

REPORT_FILE = "report.html"


def evaluate_command(
    artifact: Annotated[Path, typer.Argument(help="Directory of the artifact.")],
    data: Annotated[
        Path, typer.Option(help="Folder with the pictures, as for training.", show_default=False)
    ],
    out: Annotated[
        Path | None,
        typer.Option(help="Directory that gets metrics.json and confusion.csv; default: none."),
    ] = None,
    manifest: Annotated[
        Path | None,
        typer.Option(help="CSV or Parquet, as for training. Default: DATA/manifest.csv."),
    ] = None,
    split: Annotated[str, typer.Option(help="train, validation or test.")] = "test",
    seed: Annotated[int, typer.Option(help="Of the split, where the manifest has none.")] = 1,
    mirror_views: Annotated[
        bool, typer.Option("--mirror-views", help="Average with the mirrored picture.")
    ] = False,
    baseline: Annotated[
        bool,
        typer.Option(
            "--baseline", help="Train and measure a baseline that is no network, too (minutes)."
        ),
    ] = False,
    report: Annotated[
        bool, typer.Option("--report", help="Write OUT/report.html with plots and pictures.")
    ] = False,
    run: Annotated[
        Path | None, typer.Option(help="Directory of the run, for its learning curves.")
    ] = None,
) -> None:
    """Measure an artifact: rankings, thresholds, calibration, mistaken tags, a baseline, a report.

    Example: `reeltag-train evaluate models/mine --data pictures --out runs/mine/test --report`
    """
    if report and out is None:
        fail("--report needs --out, where it is written", EXIT_USAGE)
    if run is not None and not report:
        fail("--run is for --report", EXIT_USAGE)
    with clear_errors():
        loaded = load_artifact(artifact)
        side = split_named(split)
        if run is not None:
            from training.report.page import read_log

            read_log(run)  # a mistake is told now, not after minutes
        collection = read_collection(data, manifest, seed=seed, to_train=False)
        from training.evaluate import evaluate

        if baseline:
            console.print("measuring, then training the baseline ...")
        found = evaluate(
            loaded, collection, side, out, mirror_views=mirror_views, with_baseline=baseline
        )
        show_metrics(found.metrics)
        _show_rest(found.metrics)
        if report and out is not None:
            quiet_tensorflow()
            from training.report.page import write_report

            write_report(out / REPORT_FILE, loaded, found, run)
            console.print(f"the report lies in {out / REPORT_FILE}", soft_wrap=True)


def split_named(word: str) -> Split:
    """Return the split of that name.

    Raises:
        BadConfigError: There is none.
    """
    for split in SPLITS:
        if word == split:
            return split
    raise BadConfigError(f"the split is one of {', '.join(SPLITS)}, not {word!r}")


def _show_rest(metrics: dict[str, Any]) -> None:
    """Print what only an evaluation has: baseline, mistaken tags, tags learned."""
    printer = Console()
    if "baseline" in metrics:
        theirs = metrics["baseline"]
        table = Table(title=f"baseline: {theirs['kind']}")
        for title in ("figure", "network", "baseline"):
            table.add_column(title)
        for key in FIGURES:
            table.add_row(key, _figure(metrics[key]), _figure(theirs[key]))
        printer.print(table)
        printer.print(f"macro mAP, network over baseline: {_figure(theirs['ratio'])}")
    for pair in metrics["confusion"]["pairs"][:5]:
        printer.print(
            f"{pair['tag']} taken for {pair['taken_for']}: {pair['pictures']} pictures "
            f"({pair['share']:.0%} of those with the tag)",
            highlight=False, markup=False,
        )  # fmt: skip
    tags = metrics["tags_learned"]
    printer.print(
        f"tags learned: {len(tags['learned'])} of {len(metrics['per_tag'])}; "
        f"{len(tags['not_to_be_told'])} have too few pictures to tell",
        highlight=False,
    )


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
