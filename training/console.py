"""What the command line says: counts, figures, and errors as one clear line with an exit code.

Knows the terminal and the error tree; knows no training.
"""

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from models.artifact import BadArtifactError
from training.dataset import SPLITS, Collection
from training.errors import TrainingError

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_INTERRUPTED = 130

FIGURES = ("hit_at_1", "hit_at_3", "macro_map", "macro_map_min20", "micro_map")
"""Figures of a ranking, as `metrics.json` names them."""

console = Console(stderr=True)


def show_collection(collection: Collection) -> None:
    """Say how many tags and pictures there are."""
    counts = {split: len(collection.of(split)) for split in SPLITS}
    console.print(
        f"{len(collection.tags)} tags; "
        + ", ".join(f"{count} {split} pictures" for split, count in counts.items()),
        highlight=False,
    )


def show_metrics(metrics: dict[str, Any]) -> None:
    """Print the figures of a split as a table on standard output."""
    table = Table(title=f"{metrics['split']} split, {metrics['pictures']} pictures")
    table.add_column("figure")
    table.add_column("value", justify="right")
    for key in (*FIGURES, "macro_f1", "micro_f1"):
        value = metrics.get(key)  # an older artifact has no F1
        table.add_row(key, "-" if value is None else f"{value:.3f}")
    Console().print(table)


def quiet_tensorflow() -> None:
    """Keep TensorFlow's start-up remarks away from the progress bar; call before importing it."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")


@contextmanager
def clear_errors() -> Iterator[None]:
    """Turn errors that the caller can mend into one line and an exit code."""
    try:
        yield
    except TrainingError as exc:
        fail(str(exc), exc.exit_code)
    except BadArtifactError as exc:
        fail(str(exc), EXIT_FAILED)
    except KeyboardInterrupt:
        fail("interrupted; the last checkpoint remains, the same command goes on", EXIT_INTERRUPTED)
    except (OSError, RuntimeError) as exc:
        # The HDF5 library says it in words only.
        if getattr(exc, "errno", None) == errno.ENOSPC or "No space left" in str(exc):
            fail("no space left; the last good checkpoint remains", EXIT_FAILED)
        raise


def fail(message: str, code: int) -> NoReturn:
    """Print one line to standard error and leave with `code`."""
    console.print(f"[bold red]reeltag-train:[/] {escape(message)}", highlight=False, soft_wrap=True)
    sys.exit(code)
