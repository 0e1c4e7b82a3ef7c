"""A training run in a process of its own, which a test may kill, and what such a run leaves.

    python -m tests.training.one_run '{"data": ..., "out": ..., "devices": ..., "config": {...}}'

Prints a line after every step.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import h5py
import numpy as np

ROOT = Path(__file__).parents[2]
NEVER = -1


def run_apart(
    data: Path, out: Path, config: dict[str, Any], *, devices: int = 1, kill_at: int = NEVER
) -> list[str]:
    """Run to the end, or kill -9 as soon as step `kill_at` is done; return what was said."""
    wanted = {"data": str(data), "out": str(out), "config": config, "devices": devices}
    command = [sys.executable, "-m", "tests.training.one_run", json.dumps(wanted)]
    said = []
    environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "2", "PYTHONPATH": str(ROOT)}
    with (
        out.with_suffix(".err").open("wb") as errors,
        subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=errors, text=True
        ) as process,
    ):
        assert process.stdout is not None
        for line in process.stdout:
            said.append(line.strip())
            if line.strip() == f"step {kill_at}":
                process.kill()
    wanted_code = 0 if kill_at == NEVER else -9
    assert process.returncode == wanted_code, out.with_suffix(".err").read_text()[-2000:]
    return said


def stored_weights(checkpoint: Path) -> dict[str, np.ndarray]:
    """Read every weight of a checkpoint, the averaged ones too, by file and name."""
    found: dict[str, np.ndarray] = {}
    for file in sorted(checkpoint.glob("*.weights.h5")):
        with h5py.File(file) as stored:

            def keep(name: str, item: object, file: Path = file) -> None:
                if isinstance(item, h5py.Dataset):
                    found[f"{file.name}:{name}"] = np.asarray(item)

            stored.visititems(keep)
    return found


def main() -> None:
    """Train as the argument says."""
    import tensorflow as tf

    wanted = json.loads(sys.argv[1])
    devices = wanted["devices"]
    if devices > 1:
        processor = tf.config.list_physical_devices("CPU")[0]
        parts = [tf.config.LogicalDeviceConfiguration()] * devices
        tf.config.set_logical_device_configuration(processor, parts)

    from training.config import TrainConfig
    from training.dataset import read_collection
    from training.train import train

    def say(line: str) -> None:
        print(line, flush=True)  # noqa: T201

    train(
        read_collection(Path(wanted["data"])),
        TrainConfig(**wanted["config"]),
        Path(wanted["out"]),
        devices=str(devices),
        say=say,
        watch=lambda epoch, step, steps, loss: say(f"step {(epoch - 1) * steps + step}"),
    )


if __name__ == "__main__":
    main()
