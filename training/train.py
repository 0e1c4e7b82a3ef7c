"""The training run: epochs of steps, a look at the validation split, a checkpoint, and again.

Reads top to bottom as the recipe. Knows where a run keeps its files; knows nothing of artifacts
(`export.py` makes one from a finished or running run).
"""

import csv
import json
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from models.preprocessing import Pictures, PreprocessingSpec
from training.averaging import WeightAverage
from training.batches import TrainBatches, picture_weights
from training.checkpoints import (
    RunState,
    has_checkpoint,
    load_best,
    load_checkpoint,
    read_state,
    save_checkpoint,
)
from training.config import CONFIG_FILE, MAY_CHANGE_ON_RESUME, NO_BASE, TrainConfig
from training.dataset import Collection, target_rows
from training.errors import BadConfigError, BadDataError, CheckpointError, DivergedError
from training.features import train_head
from training.metrics import measure
from training.network import load_base, new_network, reseed_dropout
from training.steps import Predictor, build_optimizer, build_train_step, logits_of, rate_at
from training.store import Rejected, open_store, read_network_inputs

TAGS_FILE = "tags.json"
LOG_FILE = "log.csv"
REJECTED_FILE = "rejected.csv"
CACHE_DIR = "cache"

Say = Callable[[str], None]
Watch = Callable[[int, int, int, float], None]
"""Told after every step: epoch from 1, step from 1, steps of the epoch, loss so far."""


@dataclass(frozen=True, slots=True)
class TrainData:
    """What a run looks at.

    Attributes:
        batches: The training split.
        validation_files: Pictures of the validation split that can be read.
        validation_inputs: The same as network inputs of the size that the run begins with.
        validation_truth: `(n, tags)`, 1 where a tag applies.
        tags: Order of the outputs.
        rejected: Pictures that could not be read.
    """

    batches: TrainBatches
    validation_files: list[Path]
    validation_inputs: Pictures
    validation_truth: NDArray[np.float32]
    tags: tuple[str, ...]
    rejected: tuple[Rejected, ...]


def train(
    collection: Collection,
    config: TrainConfig,
    run_dir: Path,
    *,
    base: str = NO_BASE,
    base_weights_file: Path | None = None,
    say: Say = lambda line: None,
    watch: Watch = lambda epoch, step, steps, loss: None,
) -> tuple[keras.Model, RunState]:
    """Train, or go on training when `run_dir` holds a checkpoint of the same choices.

    Args:
        collection: Pictures with tags and split.
        config: Every choice of the run.
        run_dir: Gets configuration, log, checkpoints and decoded pictures.
        base: As `network.load_base`; read only when the run begins.
        base_weights_file: As `network.load_base`.
        say: Gets a line after every epoch.
        watch: Told after every step.

    Returns:
        The network with the weights of the best epoch, and where the run stands.

    Raises:
        BadDataError: Nothing to learn from, or nothing to validate with.
        BadConfigError: `run_dir` holds a run with other choices.
        BaseWeightsError: The base cannot be had.
    """
    run_dir.mkdir(parents=True, exist_ok=True)
    _agree_with_earlier(config, collection.tags, run_dir)
    data = read_train_data(collection, config, run_dir)
    for item in data.rejected[:20]:
        say(f"left out {item.file}: {item.reason}")

    network = new_network(config, len(collection.tags))
    optimizer = build_optimizer(config, network)
    average = WeightAverage(network, config.average) if config.average else None
    state = load_checkpoint(run_dir, network, optimizer, average)
    if state is None:
        state = RunState()
        load_base(network, base, base_weights_file)
        if base != NO_BASE and config.head_epochs > 0:
            loss = train_head(network, data.batches, config, run_dir / CACHE_DIR)
            say(f"head alone, {config.head_epochs} epochs on cached features: loss {loss:.3f}")
        if average is not None:
            average.begin_again(0)
    else:
        say(f"resumed after epoch {state.epoch}")
    step = build_train_step(config, logits_of(network), optimizer)
    predict = Predictor(network)
    validation = {config.start_px: data.validation_inputs}

    while state.epoch < config.epochs and not _should_stop(config, state):
        began_s = time.monotonic()
        reseed_dropout(network, config.seed, state.epoch)
        figures = _train_epoch(config, state, data.batches, step, optimizer, average, watch)
        px = config.size_px(state.epoch)
        if px not in validation:
            validation = {px: _validation_inputs(data, px)}
        with average.applied() if average else nullcontext():
            figures |= _validate(predict(validation[px]), data)
        state.epoch += 1
        is_best = figures["score"] > state.best_score
        if is_best:
            state.best_score, state.best_epoch = figures["score"], state.epoch
        figures |= {"input_px": px, "epoch": state.epoch, "seconds": time.monotonic() - began_s}
        state.history.append(figures)
        save_checkpoint(run_dir, network, optimizer, state, is_best=is_best, average=average)
        write_log(run_dir, state)
        say(_line(figures, config, is_best))
    load_best(run_dir, network)
    return network, state


def load_trained(run_dir: Path, config: TrainConfig) -> tuple[keras.Model, RunState]:
    """Open the best epoch so far of a run, also while the run goes on.

    Raises:
        CheckpointError: The run has no checkpoint.
    """
    state = read_state(run_dir)
    tags = json.loads((run_dir / TAGS_FILE).read_text(encoding="utf-8"))
    network = new_network(config, len(tags))
    load_best(run_dir, network)
    return network, state


def read_train_data(collection: Collection, config: TrainConfig, run_dir: Path) -> TrainData:
    """Decode the training split (once) and read the validation split.

    Raises:
        BadDataError: One of the two is empty.
    """
    pictures, held_out = collection.of("train"), collection.of("validation")
    for name, side in (("train", pictures), ("validation", held_out)):
        if not side:
            raise BadDataError(f"the {name} split is empty; add pictures or a split column")
    store = open_store([p.file for p in pictures], run_dir / CACHE_DIR, config.hold_px)
    if not len(store):
        raise BadDataError("not one picture of the train split can be read")
    present = target_rows([pictures[i] for i in store.kept], collection.tags, normalised=False)
    targets = present
    if config.head == "softmax":
        targets = present / np.maximum(present.sum(axis=1, keepdims=True), 1)
    files = [picture.file for picture in held_out]
    spec = PreprocessingSpec(width_px=config.start_px, height_px=config.start_px)
    inputs, kept, unreadable = read_network_inputs(files, spec)
    if not len(kept):
        raise BadDataError("not one picture of the validation split can be read")
    truth = target_rows([held_out[i] for i in kept], collection.tags, normalised=False)
    rejected = (*store.rejected, *unreadable)
    _write_rejected(run_dir, rejected)
    return TrainData(
        batches=TrainBatches(store, targets, picture_weights(present, config.balance), config),
        validation_files=[files[i] for i in kept],
        validation_inputs=inputs,
        validation_truth=truth,
        tags=collection.tags,
        rejected=rejected,
    )


def _train_epoch(
    config: TrainConfig,
    state: RunState,
    batches: TrainBatches,
    step: Callable[..., Any],
    optimizer: keras.optimizers.Optimizer,
    average: WeightAverage | None,
    watch: Watch,
) -> dict[str, float]:
    total, waited_s, began_s = 0.0, 0.0, time.monotonic()
    mark_s = began_s
    for number, batch in enumerate(batches.epoch(state.epoch)):
        waited_s += time.monotonic() - mark_s
        optimizer.learning_rate.assign(rate_at(config, state.epoch + number / batches.steps))
        loss = step(*map(tf.constant, (batch.inputs, batch.targets, batch.weights)))
        total += float(loss)
        if not np.isfinite(total):
            raise DivergedError("the loss is no longer a number; lower the learning rate")
        state.step += 1
        if average is not None:
            average.after_step(state.step)
        watch(state.epoch + 1, number + 1, batches.steps, total / (number + 1))
        mark_s = time.monotonic()
    spent_s = time.monotonic() - began_s
    return {
        "loss": total / batches.steps,
        "images_per_s": batches.steps * batches.batch_size / spent_s,
        "waiting_share": waited_s / spent_s,
    }


def _validate(scores: NDArray[np.float32], data: TrainData) -> dict[str, float]:
    """Return validation figures; `score` decides which epoch is the best."""
    figures = measure(scores, data.validation_truth, data.tags, [0.5] * len(data.tags))
    chosen = {
        key: float(figures[key] or 0)
        for key in ("hit_at_1", "hit_at_3", "macro_map", "macro_map_min20", "micro_map")
    }
    return {**chosen, "score": (chosen["hit_at_1"] + chosen["hit_at_3"] + chosen["macro_map"]) / 3}


def _validation_inputs(data: TrainData, px: int) -> Pictures:
    spec = PreprocessingSpec(width_px=px, height_px=px)
    return read_network_inputs(data.validation_files, spec)[0]


def _should_stop(config: TrainConfig, state: RunState) -> bool:
    return config.patience > 0 and state.epoch - state.best_epoch >= config.patience


def _agree_with_earlier(config: TrainConfig, tags: tuple[str, ...], run_dir: Path) -> None:
    """Compare with the choices of an earlier start in `run_dir`, then write the present ones."""
    if has_checkpoint(run_dir):
        earlier = json.loads((run_dir / CONFIG_FILE).read_text(encoding="utf-8"))
        changed = {
            name: pair
            for name, pair in config.differences(earlier).items()
            if name not in MAY_CHANGE_ON_RESUME
        }
        if changed:
            what = ", ".join(f"{name} was {old}, now {new}" for name, (old, new) in changed.items())
            raise BadConfigError(f"{run_dir} holds a run with other choices: {what}")
        if tuple(json.loads((run_dir / TAGS_FILE).read_text(encoding="utf-8"))) != tags:
            raise CheckpointError(f"{run_dir} holds a run over other tags; use another --out")
    config.save(run_dir)
    (run_dir / TAGS_FILE).write_text(json.dumps(tags, indent=2) + "\n", encoding="utf-8")


def write_log(run_dir: Path, state: RunState) -> None:
    """Write one CSV line per epoch; the whole file each time, so a resumed run repeats none."""
    with (run_dir / LOG_FILE).open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, list(state.history[0]))
        writer.writeheader()
        for row in state.history:
            writer.writerow(
                {key: round(value, 5) if isinstance(value, float) else value
                 for key, value in row.items()}
            )  # fmt: skip


def _write_rejected(run_dir: Path, rejected: tuple[Rejected, ...]) -> None:
    with (run_dir / REJECTED_FILE).open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(("file", "reason"))
        writer.writerows((item.file, item.reason) for item in rejected)


def _line(figures: dict[str, float], config: TrainConfig, is_best: bool) -> str:
    star = " *" if is_best else ""
    return (
        f"epoch {figures['epoch']:.0f}/{config.epochs} at {figures['input_px']:.0f} px: "
        f"loss {figures['loss']:.3f}, hit@1 {figures['hit_at_1']:.3f}, "
        f"hit@3 {figures['hit_at_3']:.3f}, macro mAP {figures['macro_map']:.3f}, "
        f"{figures['seconds']:.0f} s, {figures['images_per_s']:.0f} img/s, "
        f"waiting {figures['waiting_share']:.1%}{star}"
    )
