"""What a run says of its epochs: a line for the terminal and a row of `log.csv`.

Knows rows of figures and files; knows no network and no TensorFlow.
"""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

LOG_FILE = "log.csv"


def write_log(run_dir: Path, history: Sequence[Mapping[str, Any]]) -> None:
    """Write one CSV line per epoch; the whole file each time, so a resumed run repeats none.

    Epochs of an older program may lack a figure; its cell is then empty.
    """
    columns = list(dict.fromkeys(key for row in history for key in row))
    with (run_dir / LOG_FILE).open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, columns)
        writer.writeheader()
        for row in history:
            writer.writerow(
                {key: round(value, 7) if isinstance(value, float) else value
                 for key, value in row.items()}
            )  # fmt: skip


def line_of(figures: Mapping[str, float], epochs: int, is_best: bool) -> str:
    """Return one line about an epoch; a star marks the best so far."""
    star = " *" if is_best else ""
    return (
        f"epoch {figures['epoch']:.0f}/{epochs} at {figures['input_px']:.0f} px: "
        f"loss {figures['loss']:.3f}, hit@1 {figures['hit_at_1']:.3f}, "
        f"hit@3 {figures['hit_at_3']:.3f}, macro mAP {figures['macro_map']:.3f}, "
        f"{figures['seconds']:.0f} s, {figures['images_per_s']:.0f} img/s, "
        f"waiting {figures['waiting_share']:.1%}{star}"
    )
