"""Small text files that are there whole or as they were, also when the disk is full.

Knows files only.
"""

from pathlib import Path


def write_whole(file: Path, text: str) -> None:
    """Write `text` as UTF-8 beside `file`, then put it in its place.

    Raises:
        OSError: No space left, for example; `file` is as it was.
    """
    part = file.with_name(f".{file.name}.part")
    try:
        part.write_text(text, encoding="utf-8")
        part.replace(file)
    except OSError:
        part.unlink(missing_ok=True)
        raise
