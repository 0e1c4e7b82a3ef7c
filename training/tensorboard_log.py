"""The figures of a run as TensorBoard reads them, beside `log.csv`.

Knows rows of figures and TensorFlow's event files; knows no training. Writes with TensorFlow
alone: `tf.summary.scalar` would need TensorBoard itself, which only whoever looks needs.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import tensorflow as tf
from tensorflow.core.framework import summary_pb2

TENSORBOARD_DIR = "tensorboard"

SHOWN = {
    "loss": "train/loss",
    "learning_rate": "train/learning_rate",
    "images_per_s": "train/images_per_s",
    "waiting_share": "train/waiting_share",
    "input_px": "train/input_px",
    "hit_at_1": "validation/hit_at_1",
    "hit_at_3": "validation/hit_at_3",
    "macro_map": "validation/macro_map",
    "macro_map_min20": "validation/macro_map_min20",
    "micro_map": "validation/micro_map",
    "score": "validation/score",
}
"""Figure of an epoch -> its name in TensorBoard, which groups by what stands before the slash."""


class TensorBoardLog:
    """Event files of one run; the step of every figure is its epoch, counted from 1."""

    def __init__(self, run_dir: Path, history: Iterable[Mapping[str, Any]] = ()) -> None:
        """Begin anew with what is known of earlier epochs, so that a resumed run repeats none.

        Args:
            run_dir: Directory of the run; its older event files are replaced. What was known
                before a resumption gets the time of the resumption.
            history: Rows of the epochs done, each with its ``epoch``.
        """
        folder = run_dir / TENSORBOARD_DIR
        for old in folder.glob("events.out.tfevents.*"):
            old.unlink()
        self._writer = tf.summary.create_file_writer(str(folder))
        self._metadata = summary_pb2.SummaryMetadata(data_class=summary_pb2.DATA_CLASS_SCALAR)
        self._metadata.plugin_data.plugin_name = "scalars"
        for figures in history:
            self.add(figures)

    def add(self, figures: Mapping[str, Any]) -> None:
        """Write one epoch; figures without a name in `SHOWN` are left out."""
        with self._writer.as_default():
            for key, name in SHOWN.items():
                if key in figures:
                    value = tf.constant(figures[key], tf.float32)
                    tf.summary.write(name, value, step=figures["epoch"], metadata=self._metadata)
        self._writer.flush()

    def __enter__(self) -> "TensorBoardLog":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the file; what was added is already on disk."""
        self._writer.close()
