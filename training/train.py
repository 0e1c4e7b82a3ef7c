"""The training run: epochs of steps, a look at the validation split, a checkpoint, and again.

Reads top to bottom as the recipe. Knows where a run keeps its files; knows nothing of artifacts
(`export.py` makes one from a finished or running run).
"""

import json
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import keras

from training.averaging import WeightAverage
from training.checkpoints import (
    RunState,
    has_checkpoint,
    load_best,
    load_checkpoint,
    read_state,
    save_checkpoint,
)
from training.config import CONFIG_FILE, MAY_CHANGE_ON_RESUME, NO_BASE, TrainConfig
from training.dataset import Collection
from training.epochs import Watch, train_epoch, validate
from training.errors import BadConfigError, CheckpointError
from training.features import train_head
from training.learner import learner_of
from training.network import load_base, new_network, reseed_dropout
from training.replicas import ALL_DEVICES, open_replicas
from training.run_log import line_of, write_log
from training.steps import Predictor, build_optimizer, build_train_step
from training.tensorboard_log import TensorBoardLog
from training.train_data import CACHE_DIR, read_train_data

TAGS_FILE = "tags.json"

Say = Callable[[str], None]


def train(
    collection: Collection,
    config: TrainConfig,
    run_dir: Path,
    *,
    base: str = NO_BASE,
    base_weights_file: Path | None = None,
    devices: str = ALL_DEVICES,
    tensorboard: bool = True,
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
        devices: As `replicas.open_replicas`; a resumed run may use others.
        tensorboard: Write the figures for TensorBoard too.
        say: Gets a line after every epoch.
        watch: Told after every step.

    Returns:
        The network with the weights of the best epoch, and where the run stands.

    Raises:
        BadDataError: Nothing to learn from, or nothing to validate with.
        BadConfigError: `run_dir` holds a run with other choices, or devices are missing.
        BaseWeightsError: The base cannot be had.
        DivergedError: The loss is no longer a number.
    """
    run_dir.mkdir(parents=True, exist_ok=True)
    replicas = open_replicas(devices)
    _agree_with_earlier(config, collection.tags, run_dir)
    data = read_train_data(collection, config, run_dir)
    for item in data.rejected[:20]:
        say(f"left out {item.file}: {item.reason}")

    with replicas.scope():
        network = new_network(config, len(collection.tags))
        optimizer = build_optimizer(config, network)
        average = WeightAverage(network, config.average) if config.average else None
    if replicas.count > 1:
        say(f"{replicas.count} devices share every step")
    state = load_checkpoint(run_dir, network, optimizer, average)
    if state is None:
        state = RunState()
        load_base(network, base, base_weights_file)
        if base != NO_BASE and config.head_epochs > 0:
            loss = train_head(network, data.batches, config, run_dir / CACHE_DIR, replicas)
            say(f"head alone, {config.head_epochs} epochs on cached features: loss {loss:.3f}")
        if average is not None:
            average.begin_again(0)
    else:
        say(f"resumed after epoch {state.epoch}")
    step = build_train_step(config, learner_of(network), optimizer, replicas)
    predict = Predictor(network)
    validation = {config.start_px: data.validation_inputs}

    with TensorBoardLog(run_dir, state.history) if tensorboard else nullcontext() as board:
        while state.epoch < config.epochs and not _should_stop(config, state):
            began_s = time.monotonic()
            reseed_dropout(network, config.seed, state.epoch)
            replicas.part_dropout(network)
            figures = train_epoch(config, state, data.batches, step, optimizer, average, watch)
            px = config.size_px(state.epoch)
            if px not in validation:
                validation = {px: data.validation_at(px)}
            with average.applied() if average else nullcontext():
                figures |= validate(predict(validation[px]), data)
            state.epoch += 1
            is_best = figures["score"] > state.best_score
            if is_best:
                state.best_score, state.best_epoch = figures["score"], state.epoch
            figures |= {"input_px": px, "epoch": state.epoch, "seconds": time.monotonic() - began_s}
            state.history.append(figures)
            save_checkpoint(run_dir, network, optimizer, state, is_best=is_best, average=average)
            write_log(run_dir, state.history)
            if board:
                board.add(figures)
            say(line_of(figures, config.epochs, is_best))
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
