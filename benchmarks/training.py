"""What a training step costs: cached features, half width, waiting for pictures; ratios in one run.

    python -m benchmarks.training [--data DIR] [--artifact DIR] [--count N] [--rounds N]

Everything runs in this process, the two sides of a ratio in turn, so that what else the machine
does hits them alike; figures are medians over the rounds, each ratio the median of the rounds'
ratios. Size and number of tags are the artifact's, all else is the recipe for fine-tuning. Weights
are random: a step costs the same. Pictures are drawn unless a folder is given.

- Head alone: passes over cached features, as `reeltag-train` makes them, beside the same passes of
  the same pictures through the frozen base, with its step already compiled.
- Width: one step, bfloat16 beside float32, of the upper blocks (the recipe) and of the whole base.
- Waiting: the share of the steps' time in which no batch was ready, with all pictures made anew.
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np

from benchmarks.comparison import Row, report
from models.artifact import STARTER_DIR, load_artifact
from tests.fakes import drawn_picture
from training import config as recipes
from training.batches import Batch, TrainBatches
from training.checkpoints import RunState
from training.config import TrainConfig, read_recipe
from training.dataset import read_collection, target_rows
from training.epochs import train_epoch
from training.features import VIEWS, read_features, train_head
from training.learner import learner_of
from training.network import base_layers, check_precision, new_network
from training.steps import TrainStep, build_optimizer, build_train_step
from training.store import PictureStore, open_store

RECIPE = Path(recipes.__file__).parent / "recipes" / "transfer.json"

HEAD_GOAL, WIDTH_GOAL, WAITING_GOAL = 20.0, 1.4, 0.05
"""Times faster, times faster, share; the first two are for a CPU with AVX512-BF16."""


def main(arguments: list[str]) -> int:
    """Measure and print; 0 also where a goal is missed, which is printed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.training")
    parser.add_argument("--data", type=Path, help="tagged pictures; none: drawn ones")
    parser.add_argument("--artifact", type=Path, default=STARTER_DIR, help="gives size and tags")
    parser.add_argument("--count", type=int, default=256, help="pictures")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=2, help="steps of each side in a round")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    chosen = parser.parse_args(arguments)
    manifest = load_artifact(chosen.artifact, verify=False).manifest
    px, tags = manifest.preprocessing.width_px, len(manifest.tags)
    config = TrainConfig(**(read_recipe(RECIPE) | {"input_px": px, "start_px": px}))
    with tempfile.TemporaryDirectory(prefix="reeltag-bench-") as folder:
        batches = make_batches(config, tags, chosen.data, chosen.count, Path(folder))
        head = f"{px} px, {tags} tags, {len(batches.store)} pictures, {chosen.rounds} rounds"
        print(head, flush=True)
        rows = [
            *measure_head(config, tags, batches, chosen.rounds, Path(folder)),
            *measure_width(config, tags, batches, chosen.rounds, chosen.steps),
            measure_waiting(config, tags, batches, chosen.rounds),
        ]
    report(rows, as_json=chosen.json)
    return 0


def make_batches(
    config: TrainConfig, tags: int, data: Path | None, count: int, folder: Path
) -> TrainBatches:
    """Return `count` pictures as a training split, from a folder or drawn."""
    if data is None:
        pictures = [drawn_picture(seed, 341, 256) for seed in range(count)]
        store = PictureStore(
            f"drawn-{count}", np.concatenate([picture.ravel() for picture in pictures]),
            np.array([picture.shape[:2] for picture in pictures]), np.arange(count), (),
        )  # fmt: skip
        targets = np.eye(tags, dtype=np.float32)[np.arange(count) % tags]
    else:
        collection = read_collection(data)
        found = collection.of("train")[:count]
        store = open_store([picture.file for picture in found], folder / "cache", config.hold_px)
        # The columns only have to be as many as the model's; which tag is which costs no time.
        rows = target_rows([found[i] for i in store.kept], collection.tags, normalised=True)
        targets = np.zeros((len(rows), tags), np.float32)
        targets[:, : min(tags, rows.shape[1])] = rows[:, :tags]
    return TrainBatches(store, targets, np.ones(len(store), np.float32), config)


def measure_head(
    config: TrainConfig, tags: int, batches: TrainBatches, rounds: int, folder: Path
) -> list[Row]:
    """Time a pass of the head over cached features beside one through the frozen base."""
    cached = Row("head pass: cached features beside frozen base", HEAD_GOAL)
    first = Row(f"the same, computing features for {config.head_epochs} passes included")
    network = new_network(config, tags)
    began_s = time.perf_counter()
    for view in VIEWS:
        read_features(network, batches.store, view, config.size_px(0), folder / "features")
    computing_s = time.perf_counter() - began_s
    for layer in base_layers(network):
        layer.trainable = False
    step = build_train_step(config, learner_of(network), build_optimizer(config, network))
    repeat(step, next(batches.epoch(0)), 1)

    def through_base() -> None:
        for passed in range(len(VIEWS)):  # as many pictures as the cached views are
            for batch in batches.epoch(passed):
                float(step(batch.inputs, batch.targets, batch.weights))

    def on_features() -> None:
        train_head(network, batches, config, folder / "features")

    on_features()
    for _ in range(rounds):
        cached.ours.append(seconds(on_features) / config.head_epochs)
        cached.peer.append(seconds(through_base))
    first.ours = [one + computing_s / config.head_epochs for one in cached.ours]
    first.peer = cached.peer
    return [cached, first]


def measure_width(
    config: TrainConfig, tags: int, batches: TrainBatches, rounds: int, steps: int
) -> list[Row]:
    """Time steps in bfloat16 beside float32."""
    whole = replace(config, unfreeze_from="", batch_size=TrainConfig().batch_size)
    rows = []
    for name, chosen in (
        (f"step from {config.unfreeze_from}", config),
        ("step, whole base", whole),
    ):
        row = Row(f"{name}, batch {chosen.batch_size}: bf16 beside fp32", WIDTH_GOAL)
        split = TrainBatches(batches.store, batches.targets, batches.weights, chosen)
        batch = next(split.epoch(0))
        ours = compiled_step(replace(chosen, precision="bfloat16"), tags, batch)
        peer = compiled_step(replace(chosen, precision="float32"), tags, batch)
        for _ in range(rounds):
            for step, times in ((ours, row.ours), (peer, row.peer)):
                times.append(seconds(partial(repeat, step, batch, steps)) / steps)
        rows.append(row)
    return rows


def measure_waiting(config: TrainConfig, tags: int, batches: TrainBatches, rounds: int) -> Row:
    """Measure how much of real epochs goes by without a batch to learn from."""
    row = Row(f"waiting for pictures, step from {config.unfreeze_from}", WAITING_GOAL)
    network = new_network(config, tags)
    optimizer = build_optimizer(config, network)
    step = build_train_step(config, learner_of(network), optimizer)
    state = RunState()
    for number in range(rounds + 1):
        state.epoch = number
        figures = train_epoch(config, state, batches, step, optimizer)
        if number:  # the first compiles
            row.ours.append(figures["waiting_share"])
    return row


def compiled_step(config: TrainConfig, tags: int, batch: Batch) -> TrainStep:
    """Return a step that has run once, and surely computes as wide as it should."""
    network = new_network(config, tags)
    check_precision(network, config.precision)
    if network.get_layer("mixed10").output.dtype != config.precision:
        raise RuntimeError(f"the step would not compute in {config.precision}")
    step = build_train_step(config, learner_of(network), build_optimizer(config, network))
    repeat(step, batch, 1)
    return step


def repeat(step: TrainStep, batch: Batch, steps: int) -> None:
    """Take steps on one batch; pictures are not what is measured."""
    for _ in range(steps):
        float(step(batch.inputs, batch.targets, batch.weights))


def seconds(call: Callable[[], object]) -> float:
    """Return the seconds that a call takes."""
    began_s = time.perf_counter()
    call()
    return time.perf_counter() - began_s


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
