"""Devices that share every step teach what one device would have taught.

Two logical processors stand for two GPUs, in processes of their own.
"""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.training.one_run import ROOT, run_apart, stored_weights

pytestmark = pytest.mark.slow

CHOICES = {
    "input_px": 75, "start_px": 75, "epochs": 2, "batch_size": 2, "hidden_units": 16,
    "unfreeze_from": "mixed9", "precision": "float32", "average": 0.9,
}  # fmt: skip

STEPS = 8
"""Of the whole run: two epochs of eight pictures, two at a time."""


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """What `two_replicas.py` found with a small network."""
    command = [sys.executable, "-m", "tests.training.two_replicas"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


def test_two_replicas_with_frozen_norms_learn_what_one_device_learns(small):
    found = small["frozen"]
    assert found["start"] == 0
    assert found["moved"] > 0.05
    assert found["apart"] < 1e-5 * found["moved"]
    assert found["losses_apart"] < 1e-5


def test_the_running_average_lives_on_every_device_and_is_that_of_one(small):
    found = small["frozen"]
    assert found["average_copies"] == 2
    assert found["average_moved"] > 0.01
    assert found["average_apart"] < 1e-5 * found["average_moved"]


def test_norms_that_learn_see_their_own_replica_but_keep_one_common_statistic(small):
    found = small["learning_norm"]
    # Not what one device learns: each replica normalises by its own pictures.
    assert 1e-3 * found["moved"] < found["apart"] < found["moved"]
    assert (found["copies"], found["copies_apart"]) == (2, 0)
    assert found["mean_moved"] > 1e-3


def test_a_step_that_overflows_on_one_replica_is_left_out_on_all(small):
    found = small["overflow"]
    assert found["computes_in"] == "float16"
    assert found["moved"] > 0.01
    assert (found["moved_by_overflow"], found["scale"]) == (0, 0.5)


def test_replicas_leave_out_different_features(small):
    first, second = small["dropout_seeds"]
    assert first == [1, 3 << 16]
    assert second != first


def test_devices_that_are_not_there_are_refused(small):
    refused = small["refused"]
    assert "a batch of 1 cannot be shared by 2 devices" in refused["2"]
    assert refused["3"] == "devices is 3, but TensorFlow sees only 2 here"
    assert refused["0"].startswith("devices is auto or a number from 1")
    assert refused["two"].startswith("devices is auto or a number from 1")
    assert small["auto"] == 1  # no GPU: one processor does the work


def last_of(run_dir: Path) -> Path:
    (checkpoint,) = (run_dir / "checkpoints").glob("epoch-*")
    assert checkpoint.name == "epoch-0002"
    return checkpoint


def write_start(folder: Path, choices: dict[str, object]) -> Path:
    """Keep the weights before the first step as a checkpoint keeps them."""
    from training.config import TrainConfig
    from training.network import new_network

    folder.mkdir()
    network = new_network(TrainConfig(**choices), 5)
    for name in ("network", "average"):
        network.save_weights(folder / f"{name}.weights.h5")
    return folder


def distance(one: Path, other: Path) -> float:
    """Return the distance between the weights of two checkpoints, the average's among them."""
    first, second = stored_weights(one), stored_weights(other)
    assert list(first) == list(second)
    assert {name.partition(".")[0] for name in first} == {"network", "average"}
    gaps = [
        np.square(first[name].astype(np.float64) - second[name]).sum()
        for name in first
        if first[name].dtype == np.float32  # the others are counters of random numbers
    ]
    return float(np.sqrt(sum(gaps)))


def assert_same_end(one: Path, other: Path, start: Path) -> None:
    """Two runs ended at one place, measured by the way that they went."""
    ends = last_of(one), last_of(other)
    way, gap = distance(ends[0], start), distance(*ends)
    assert way > 0.01
    assert gap < 1e-4 * way, (gap, way)
    with np.load(ends[0] / "optimizer.npz") as first, np.load(ends[1] / "optimizer.npz") as second:
        assert first.files == second.files
        for name in first.files:
            scale = max(float(np.abs(first[name]).max()), 1e-12)
            np.testing.assert_allclose(first[name], second[name], rtol=0, atol=1e-3 * scale)


@pytest.mark.timeout(1200)
def test_run_killed_at_any_step_ends_with_the_weights_of_the_uninterrupted_one(
    drawn_data, tmp_path
):
    start = write_start(tmp_path / "start", CHOICES)
    run_apart(drawn_data, tmp_path / "whole", CHOICES)
    kill_at = int(np.random.default_rng().integers(1, STEPS))
    run_apart(drawn_data, tmp_path / "run", CHOICES, kill_at=kill_at)
    said = run_apart(drawn_data, tmp_path / "run", CHOICES)
    is_resumed = kill_at > STEPS // 2
    assert ("resumed after epoch 1" in said) == is_resumed, (kill_at, said)
    assert_same_end(tmp_path / "whole", tmp_path / "run", start)


@pytest.mark.timeout(1200)
def test_killed_run_on_two_devices_goes_on_and_ends_where_one_device_does(drawn_data, tmp_path):
    # Adam would turn the rounding of gradients near zero into whole steps, dropout has its own
    # numbers on each device.
    choices = CHOICES | {"optimizer": "sgd", "learning_rate": 0.01, "dropout": 0.0}
    start = write_start(tmp_path / "start", choices)
    run_apart(drawn_data, tmp_path / "whole", choices)
    run_apart(drawn_data, tmp_path / "run", choices, devices=2, kill_at=STEPS // 2 + 2)
    said = run_apart(drawn_data, tmp_path / "run", choices, devices=2)
    assert said[:2] == ["2 devices share every step", "resumed after epoch 1"]
    assert_same_end(tmp_path / "whole", tmp_path / "run", start)
