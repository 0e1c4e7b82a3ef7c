"""What a run looks at: the training split as batches, the validation split as network inputs.

Knows pictures, tags and where a run keeps what it decoded; knows no network.
"""

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.preprocessing import Pictures, PreprocessingSpec
from training.batches import TrainBatches, picture_weights
from training.config import TrainConfig
from training.dataset import Collection, target_rows
from training.errors import BadDataError
from training.store import Rejected, open_store, read_network_inputs

REJECTED_FILE = "rejected.csv"
CACHE_DIR = "cache"


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

    def validation_at(self, px: int) -> Pictures:
        """Read the validation pictures as network inputs of another size."""
        spec = PreprocessingSpec(width_px=px, height_px=px)
        return read_network_inputs(self.validation_files, spec)[0]


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


def _write_rejected(run_dir: Path, rejected: tuple[Rejected, ...]) -> None:
    with (run_dir / REJECTED_FILE).open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(("file", "reason"))
        writer.writerows((item.file, item.reason) for item in rejected)
