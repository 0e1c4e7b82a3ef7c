"""Transfer to tags the base has never seen: frozen head, fine-tuned and from scratch, in one run.

    python -m benchmarks.transfer --data DIR --out DIR [--docs docs]
    python -m benchmarks.transfer --smoke --out DIR

The base is trained from scratch on half of the tags, then the other half is learned from 20, 50
and 200 pictures a tag. Every finished cell is kept in OUT: the same command goes on after a kill.
``--smoke`` does the same in about a minute on drawn pictures; its figures mean nothing. Without
``--data`` nothing is measured: the pictures are not part of the project.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.transfer import report
from benchmarks.transfer.cells import Key, Record, key_of
from benchmarks.transfer.drawn import draw_collection
from benchmarks.transfer.plan import (
    WAYS,
    deal_halves,
    digest_of,
    draw_rows,
    halves_beside,
    side,
)
from training.config import TrainConfig
from training.console import clear_errors, quiet_tensorflow
from training.dataset import Collection, read_collection

if TYPE_CHECKING:
    from benchmarks.transfer import learn

PAGE = "transfer.md"
CURVE = "transfer.svg"
RESULTS_FILE = "results.json"
TABLE_FILE = "results.md"

SMOKE = {
    "input_px": 75, "source_steps": 2, "steps": 2, "seeds": [1], "counts": [16, 20],
    "min_pictures": 20, "scratch_steps": None, "source": None, "manifest": None,
}  # fmt: skip


def main(arguments: list[str]) -> int:
    """Learn every cell that is not there yet, then write table and curve; 0 also if skipped."""
    chosen = read_options(arguments)
    if chosen.smoke:
        vars(chosen).update(SMOKE, data=draw_collection(chosen.out / "drawn"))
    if chosen.data is None:
        print("skipped: needs labelled pictures, --data DIR --out DIR")
        return 0
    chosen.scratch_steps = chosen.scratch_steps or chosen.steps
    with clear_errors():
        collection = read_collection(chosen.data, chosen.manifest)
        publish(chosen, *run(chosen, collection))
    return 0


def read_options(arguments: list[str]) -> argparse.Namespace:
    """Read the command line; a wrong one ends the program with a line that says why."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.transfer")
    add = parser.add_argument
    add("--data", type=Path, help="folder of labelled pictures, as for training")
    add("--manifest", type=Path, help="default: manifest.csv in the folder")
    add("--out", type=Path, help="gets base, cells, table and curve")
    add("--smoke", action="store_true", help="on drawn pictures, in about a minute")
    add("--input-px", type=int, default=107, help="side of the network input")
    add("--source", type=Path, help="base trained elsewhere: network.weights.h5 and tags.json")
    add("--source-steps", type=int, default=3000, help="steps of the base, 64 pictures each")
    add("--steps", type=int, default=150, help="steps of the whole network in a cell")
    add("--scratch-steps", type=int, help="steps of a cell from scratch; default: --steps")
    add("--seeds", type=int, nargs="+", default=[1, 2, 3])
    add("--counts", type=int, nargs="+", default=[20, 50, 200], help="pictures a tag")
    add("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    add("--split-seed", type=int, default=1, help="deals the tags into halves, begins the base")
    add("--min-pictures", type=int, default=200, help="training pictures that a tag needs")
    add("--docs", type=Path, help="folder whose page and curve are rewritten")
    chosen = parser.parse_args(arguments)
    if chosen.out is None and (chosen.smoke or chosen.data is not None):
        parser.error("--out is needed")
    if min(chosen.steps, chosen.source_steps, *chosen.counts) < 1:
        parser.error("steps and counts are 1 or more")
    return chosen


def run(
    chosen: argparse.Namespace, collection: Collection
) -> tuple[Record, dict[str, Any], dict[str, float]]:
    """Train the base and learn the cells; return them with the set-up and the figures of chance."""
    quiet_tensorflow()
    from benchmarks.transfer import learn, source

    tags = None if chosen.source is None else source.source_tags(chosen.source)
    halves = (
        deal_halves(collection, chosen.min_pictures, chosen.split_seed)
        if tags is None
        else halves_beside(collection, tags, chosen.min_pictures)
    )
    px = chosen.input_px
    hold_px = round(1.5 * px)
    config = TrainConfig(input_px=px, start_px=px, hold_px=hold_px, seed=chosen.split_seed)
    target = side(collection, halves.target, halves.source)
    setup = {
        "input_px": px, "steps": chosen.steps, "scratch_steps": chosen.scratch_steps,
        "batch": learn.BATCH, "head_steps": learn.HEAD_STEPS, "pictures": digest_of(target),
        "held_out": len(target.of("validation")),
        "source": weights_of(chosen, source.weights_digest),
        "source_tags": list(halves.source), "target_tags": list(halves.target),
    }  # fmt: skip
    record = Record(chosen.out, setup)
    task = learn.read_task(target, px, hold_px, chosen.out / "cache")
    chance = chance_of(task.held_out_truth)
    if missing_cells(chosen, record):
        folder = chosen.source or chosen.out / "source"
        if chosen.source is None:
            seen = side(collection, halves.source, halves.target)
            say(f"base: {len(seen.of('train'))} pictures of {len(halves.source)} tags")
            source.train_source(seen, config, chosen.source_steps, folder, say)
        learn_cells(chosen, record, task, source.read_base(folder, config), hold_px)
    return record, setup, chance


def learn_cells(
    chosen: argparse.Namespace,
    record: Record,
    task: "learn.Task",
    base: Sequence[NDArray[np.float32]],
    hold_px: int,
) -> None:
    """Learn what is missing, one way after the other: each compiles its network once."""
    from benchmarks.transfer import learn

    for way in dict.fromkeys(way for way, _, _ in missing_cells(chosen, record)):
        steps = chosen.scratch_steps if way == "from scratch" else chosen.steps
        config = learn.cell_config(way, chosen.input_px, hold_px, seed=0)
        learner = learn.Learner(way, task, config, steps, base, chosen.out / "cache")
        for _, count, seed in [key for key in missing_cells(chosen, record) if key[0] == way]:
            began_s = time.monotonic()
            rows = draw_rows(task.truth, count, seed)
            figures = learner.cell(rows, seed)
            a_tag = task.truth[rows].sum(axis=0)
            cell = {
                "way": way, "count": count, "seed": seed, "pictures": len(rows),
                "fewest_a_tag": int(a_tag.min()), "most_a_tag": int(a_tag.max()), **figures,
                "seconds": round(time.monotonic() - began_s, 1),
            }  # fmt: skip
            record.add(cell)
            say(
                f"{way}, {count} a tag, seed {seed}: macro mAP {cell['macro_map']:.3f}, "
                f"Hit@1 {cell['hit_at_1']:.3f}, {cell['seconds']} s"
            )


def missing_cells(chosen: argparse.Namespace, record: Record) -> list[Key]:
    """Return the asked cells that are not finished, way by way, seed by seed."""
    done = {key_of(cell) for cell in record.cells()}
    asked = [(w, c, s) for w in chosen.ways for s in chosen.seeds for c in chosen.counts]
    return [key for key in asked if key not in done]


def chance_of(truth: NDArray[np.float32]) -> dict[str, float]:
    """Return what random scores get: each tag's share of the pictures, on average."""
    shares = truth.mean(axis=0)
    return {"macro_map": float(shares.mean()), "hit_at_1": float(shares.mean())}


def weights_of(chosen: argparse.Namespace, digest: Callable[[Path], str]) -> dict[str, Any]:
    """Name the base, so that cells of two bases are never mixed."""
    if chosen.source is not None:
        return {"weights": digest(chosen.source)}
    return {"steps": chosen.source_steps, "seed": chosen.split_seed}


def publish(
    chosen: argparse.Namespace, record: Record, setup: dict[str, Any], chance: dict[str, float]
) -> None:
    """Write table, JSON and curve into OUT, and into the docs where asked."""
    rows = report.summarise(record.cells(), WAYS)
    text = f"{report.summary(setup, chance)}\n\n{report.table(rows)}"
    print(text)
    (chosen.out / TABLE_FILE).write_text(text + "\n", encoding="utf-8")
    results = json.dumps(report.as_json(rows, setup, chance), indent=2)
    (chosen.out / RESULTS_FILE).write_text(results + "\n", encoding="utf-8")
    report.draw_curve(chosen.out / CURVE, rows, chance)
    if chosen.docs is not None:
        report.draw_curve(chosen.docs / "images" / CURVE, rows, chance)
        curve = f"![Macro mAP and Hit@1 over the pictures a tag](images/{CURVE})"
        report.rewrite(chosen.docs / PAGE, f"{text}\n\n{curve}")


def say(line: str) -> None:
    """Print at once, so that a log shows where the run is."""
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
