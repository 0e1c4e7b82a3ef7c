"""Where a run stands, on disk after every epoch, so that a killed run goes on and loses nothing.

Knows networks, optimizers and a plain state dictionary; knows no data. A checkpoint is a folder
that appears under its final name only when it is whole.
"""

import json
import shutil
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np

from training.averaging import UPDATE_EVERY, WeightAverage
from training.errors import CheckpointError

CHECKPOINTS_DIR = "checkpoints"
BEST_FILE = "best.weights.h5"
_WEIGHTS_FILE = "network.weights.h5"
_AVERAGE_FILE = "average.weights.h5"
_OPTIMIZER_FILE = "optimizer.npz"
_STATE_FILE = "state.json"


@dataclass(slots=True)
class RunState:
    """What a run knows of itself besides weights.

    Attributes:
        epoch: Epochs done.
        step: Training steps done.
        best_score: Best validation score so far.
        best_epoch: Epoch after which it was reached; 0 before the first.
        history: One row of figures per epoch.
    """

    epoch: int = 0
    step: int = 0
    best_score: float = -1.0
    best_epoch: int = 0
    history: list[dict[str, Any]] = field(default_factory=list)

    def best_input_px(self) -> int:
        """Return the side of the input that the best epoch was trained and validated at."""
        return int(self.history[self.best_epoch - 1]["input_px"])


def save_checkpoint(
    run_dir: Path,
    network: keras.Model,
    optimizer: keras.optimizers.Optimizer,
    state: RunState,
    *,
    is_best: bool,
    average: WeightAverage | None = None,
) -> None:
    """Write network, optimizer and state, then drop older checkpoints.

    Random numbers need no saving: those of data and dropout follow from seed and epoch. With an
    `average`, that is what the best weights are.

    Raises:
        OSError: No space left, for example. Earlier checkpoints are untouched.
    """
    folder = run_dir / CHECKPOINTS_DIR
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / "part"
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir()
    network.save_weights(part / _WEIGHTS_FILE)
    validated = part / _WEIGHTS_FILE
    if average is not None:
        validated = part / _AVERAGE_FILE
        with average.applied():
            network.save_weights(validated)
    with (part / _OPTIMIZER_FILE).open("wb") as stream:
        np.savez(stream, *(np.asarray(variable) for variable in optimizer.variables))
    (part / _STATE_FILE).write_text(json.dumps(asdict(state)), encoding="utf-8")
    if is_best:
        best_part = folder / "best.part"
        shutil.copyfile(validated, best_part)
        best_part.replace(folder / BEST_FILE)
    final = folder / f"epoch-{state.epoch:04d}"
    shutil.rmtree(final, ignore_errors=True)
    part.rename(final)
    for old in _checkpoints(run_dir):
        if old != final:
            shutil.rmtree(old, ignore_errors=True)


def load_checkpoint(
    run_dir: Path,
    network: keras.Model,
    optimizer: keras.optimizers.Optimizer,
    average: WeightAverage | None = None,
) -> RunState | None:
    """Fill network, optimizer and average from the last whole checkpoint.

    Args:
        run_dir: Directory of the run.
        network: Changed in place.
        optimizer: Already built for the network; changed in place.
        average: Of the network's weights; changed in place.

    Returns:
        The state, or None when the run has no checkpoint yet.

    Raises:
        CheckpointError: It was made by another network or optimizer.
    """
    found = _checkpoints(run_dir)
    if not found:
        return None
    last = found[-1]
    state = read_state(run_dir)
    try:
        if average is not None:
            if not (last / _AVERAGE_FILE).is_file():
                raise CheckpointError(f"{last}: has no averaged weights")
            network.load_weights(last / _AVERAGE_FILE)
            average.begin_again(state.step // UPDATE_EVERY)
        network.load_weights(last / _WEIGHTS_FILE)
        with np.load(last / _OPTIMIZER_FILE) as arrays:
            for variable, name in zip(optimizer.variables, arrays.files, strict=True):
                variable.assign(arrays[name])
    except (ValueError, KeyError) as exc:
        raise CheckpointError(f"{last}: made by another network or optimizer: {exc}") from exc
    return state


def read_state(run_dir: Path) -> RunState:
    """Read where a run stands, without its weights.

    Raises:
        CheckpointError: The run has no checkpoint.
    """
    found = _checkpoints(run_dir)
    if not found:
        raise CheckpointError(f"{run_dir}: no checkpoint; is this the directory of a run?")
    return RunState(**json.loads((found[-1] / _STATE_FILE).read_text(encoding="utf-8")))


def load_best(run_dir: Path, network: keras.Model) -> None:
    """Fill the network with the weights of the best epoch so far.

    Raises:
        CheckpointError: The run has no checkpoint, or it does not fit.
    """
    file = run_dir / CHECKPOINTS_DIR / BEST_FILE
    if not file.is_file():
        raise CheckpointError(f"{run_dir}: no checkpoint; is this the directory of a run?")
    try:
        network.load_weights(file)
    except ValueError as exc:
        raise CheckpointError(f"{file}: made by another network: {exc}") from exc


def has_checkpoint(run_dir: Path) -> bool:
    """Tell whether a run can be resumed from this directory."""
    return bool(_checkpoints(run_dir))


def _checkpoints(run_dir: Path) -> list[Path]:
    folder = run_dir / CHECKPOINTS_DIR
    return sorted(path for path in folder.glob("epoch-*") if (path / _STATE_FILE).is_file())
