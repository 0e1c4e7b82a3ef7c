"""Pictures a second of the service's engines beside `keras.Model.predict`, on the same weights.

    python -m benchmarks.inference [--artifact DIR] [--pictures DIR] [--count N] [--rounds N]

All run in this process one after the other in every round, so that what else the machine does
hits them alike; the figures are medians over the rounds, the ratio is the one to quote. Overlap
is the mean share of the peer's three best tags that are also ours. Pictures are taken from a
folder, or drawn where none is given: drawn ones tell speed truly, overlap only roughly.
"""

import argparse
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import cv2
import numpy as np
from numpy.typing import NDArray

from app.inference.classifier import choose_engine, open_artifact
from models.artifact import NETWORK_FILE, STARTER_DIR, Artifact
from models.preprocessing import to_network_inputs

PEER = "keras predict, fp32"
PICTURE_ENDINGS = {".jpg", ".jpeg", ".png", ".webp"}

Score = Callable[[NDArray[np.uint8]], NDArray[np.float32]]


@dataclass
class Runner:
    """One way to score pictures, with the seconds it took in each round."""

    name: str
    score: Score
    batch_size: int
    seconds: list[float] = field(default_factory=list)
    scores: NDArray[np.float32] = field(default_factory=lambda: np.empty((0, 0), np.float32))

    def run(self, inputs: NDArray[np.uint8]) -> None:
        """Score all inputs, `(n, height, width, 3)`, batch by batch, and note the time."""
        starts = range(0, len(inputs), self.batch_size)
        began_s = time.perf_counter()
        rows = [self.score(inputs[start : start + self.batch_size]) for start in starts]
        self.seconds.append(time.perf_counter() - began_s)
        self.scores = np.concatenate(rows)


def top3_overlap(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """Return the mean share of common tags in the best three of two tables, `(n, tags)`."""
    bests = [np.argsort(-scores, axis=1, kind="stable")[:, :3] for scores in (one, other)]
    return float(np.mean([len(set(a) & set(b)) / 3 for a, b in zip(*bests, strict=True)]))


def read_pictures(folder: Path | None, count: int) -> list[NDArray[np.uint8]]:
    """Return `count` RGB pictures, spread evenly over a folder, or drawn."""
    if folder is None:
        from tests.fakes import drawn_picture

        return [drawn_picture(seed, 640, 360) for seed in range(count)]
    files = sorted(file for file in folder.rglob("*") if file.suffix.lower() in PICTURE_ENDINGS)
    if not files:
        raise SystemExit(f"{folder}: no pictures")
    chosen = files[:: max(1, len(files) // count)][:count]
    pictures = (cv2.imread(str(file), cv2.IMREAD_COLOR_RGB) for file in chosen)
    return [np.asarray(picture, np.uint8) for picture in pictures if picture is not None]


def runners_of(artifact: Artifact, batch_size: int) -> list[Runner]:
    """Return the peer and the engines, loaded and warm."""
    import keras

    network = keras.models.load_model(artifact.file(NETWORK_FILE), compile=False)

    def predict(inputs: NDArray[np.uint8]) -> NDArray[np.float32]:
        scores = network.predict(inputs, batch_size=batch_size, verbose=0)
        return np.asarray(scores, np.float32)

    runners = [Runner(PEER, predict, batch_size)]
    for precision in ("fp32", "bf16"):
        engine = choose_engine(artifact, "openvino", precision)
        for size in (batch_size, 1):
            name = f"{engine.device}, batch {size}"
            runners.append(Runner(name, lambda x, e=engine: e.infer(x).scores, size))
    return runners


def report(runners: Sequence[Runner], count: int) -> None:
    """Print one line for each runner."""
    peer = runners[0]
    lines = [f"{'':32} {'pictures/s':>10} {'ratio':>6} {'top-3 overlap':>14}"]
    for runner in runners:
        ratios = [a / b for a, b in zip(peer.seconds, runner.seconds, strict=True)]
        lines.append(
            f"{runner.name:32} {count / statistics.median(runner.seconds):10.1f} "
            f"{statistics.median(ratios):6.2f} {top3_overlap(peer.scores, runner.scores):14.3f}"
        )
    sys.stdout.write("\n".join(lines) + "\n")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Engines beside keras predict.")
    parser.add_argument("--artifact", type=Path, default=STARTER_DIR)
    parser.add_argument("--pictures", type=Path, help="folder of pictures; none: drawn ones")
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=5)
    chosen = parser.parse_args()
    artifact = open_artifact(chosen.artifact)
    spec = artifact.manifest.preprocessing
    inputs = to_network_inputs(read_pictures(chosen.pictures, chosen.count), spec)
    sys.stdout.write(
        f"{artifact.version}, {spec.width_px} px, {len(inputs)} pictures, {chosen.rounds} rounds, "
        f"{os.cpu_count()} processors {platform.machine()}\n"
    )
    runners = runners_of(artifact, chosen.batch_size)
    for runner in runners:
        runner.run(inputs[: chosen.batch_size])  # compiles
        runner.seconds.clear()
    for _ in range(chosen.rounds):
        for runner in runners:
            runner.run(inputs)
    report(runners, len(inputs))


if __name__ == "__main__":
    main()
