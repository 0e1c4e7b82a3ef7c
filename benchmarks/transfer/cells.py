"""Finished cells on disk, one JSON line each, so that a killed run goes on with the next one.

Knows files and plain dictionaries; knows neither pictures nor networks.
"""

import json
import os
from pathlib import Path
from typing import Any

from benchmarks.transfer.plan import Way
from training.errors import BadConfigError

CELLS_FILE = "cells.jsonl"
SETUP_FILE = "setup.json"

Cell = dict[str, Any]
Key = tuple[Way, int, int]
"""Way, pictures a tag, seed."""


def key_of(cell: Cell) -> Key:
    """Return which cell this is."""
    return cell["way"], cell["count"], cell["seed"]


class Record:
    """The finished cells of one folder."""

    def __init__(self, folder: Path, setup: dict[str, Any]) -> None:
        """Open the folder for cells of one set-up; a line that a kill cut short is dropped.

        Args:
            folder: Made where it is missing.
            setup: All that makes cells comparable; JSON values only.

        Raises:
            BadConfigError: The folder holds cells of another set-up; it is left as it was.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self._file = folder / CELLS_FILE
        known = folder / SETUP_FILE
        if known.is_file():
            old = json.loads(known.read_text(encoding="utf-8"))
            changed = sorted(name for name in {*old, *setup} if old.get(name) != setup.get(name))
            if changed:
                raise BadConfigError(
                    f"{folder} holds cells with another {', '.join(changed)}; use another --out"
                )
        else:
            part = known.with_suffix(".part")
            part.write_text(json.dumps(setup, indent=2) + "\n", encoding="utf-8")
            part.replace(known)
        written = self._file.read_bytes() if self._file.is_file() else b""
        self._file.touch()
        os.truncate(self._file, written.rfind(b"\n") + 1)

    def cells(self) -> list[Cell]:
        """Return the finished cells in the order in which they were finished."""
        lines = self._file.read_text(encoding="utf-8").splitlines()
        return [json.loads(line) for line in lines]

    def add(self, cell: Cell) -> None:
        """Append a finished cell; it is on disk when this returns."""
        with self._file.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(cell) + "\n")
            stream.flush()
            os.fsync(stream.fileno())
