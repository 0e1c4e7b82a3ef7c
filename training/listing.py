"""Which picture files there are and which tags each carries, as a manifest or folders say.

Reads a manifest (CSV or Parquet) or a folder per tag; says which line is wrong. Deals no split
(`dataset.py` does) and decodes no picture.
"""

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from models.vocabulary import UnknownTagError
from training.errors import BadDataError
from training.labelled import SPLITS, UNASSIGNED, LabelledPicture
from training.vocabulary import PAPER, Vocabulary

PICTURE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"})
MANIFEST_FILE = "manifest.csv"
OWN_TAGS_HINT = "for tags of your own, write them in a file, one a line, and give --vocabulary FILE"
_SPLIT_WORDS = {
    "val": "validation",
    "valid": "validation",
    "dev": "validation",
    "training": "train",
}


@dataclass(frozen=True, slots=True)
class Listing:
    """What a manifest or folders name.

    Attributes:
        origin: The manifest, or the folder of the folders.
        pictures: Those whose file is there; the split is empty where none was named.
        missing: Files that the manifest names and that are not there.
        only_rejected: Rows with nothing but `rejected_tags`; they are left out.
        ignored: Files in folders of tags whose name is not that of a picture.
    """

    origin: Path
    pictures: tuple[LabelledPicture, ...]
    missing: tuple[str, ...] = ()
    only_rejected: int = 0
    ignored: tuple[Path, ...] = ()


def list_pictures(
    data_dir: Path, manifest: Path | None = None, vocabulary: Vocabulary = PAPER
) -> Listing:
    """List the pictures in a folder or of a manifest.

    Args:
        data_dir: Folder with the pictures; names in a manifest are relative to it.
        manifest: CSV or Parquet; without it `data_dir/manifest.csv` is used, or else a folder per
            tag is expected.
        vocabulary: Tags that may stand there.

    Raises:
        BadDataError: Not one picture is named, or a name, tag or split cannot be understood.
    """
    if not data_dir.is_dir():
        raise BadDataError(f"{data_dir}: no such folder")
    if manifest is not None:
        found = _from_manifest(data_dir, _manifest_path(data_dir, manifest), vocabulary)
    elif (data_dir / MANIFEST_FILE).is_file():
        found = _from_manifest(data_dir, data_dir / MANIFEST_FILE, vocabulary)
    else:
        found = _from_folders(data_dir, vocabulary)
    if not found.pictures and not found.missing:
        if found.only_rejected:
            raise BadDataError(f"{found.origin}: every row has only `rejected_tags`, none has tags")
        raise BadDataError(
            f"{data_dir}: no pictures found; lay them in a folder per tag, or name a manifest"
        )
    return found


def _manifest_path(data_dir: Path, manifest: Path) -> Path:
    for candidate in (manifest, data_dir / manifest):
        if candidate.is_file():
            return candidate
    raise BadDataError(f"{manifest}: no such manifest, neither here nor in {data_dir}")


def _from_manifest(data_dir: Path, manifest: Path, vocabulary: Vocabulary) -> Listing:
    pictures: list[LabelledPicture] = []
    missing: list[str] = []
    only_rejected = rows = 0
    for line, row in _rows(manifest):
        where, rows = f"{manifest}, line {line}", rows + 1
        name = (row.get("file") or "").strip()
        if not name:
            raise BadDataError(f"{where}: the column `file` is empty")
        if "\0" in name:
            raise BadDataError(f"{where}: {name!r} is not the name of a file")
        file = data_dir / name
        if not file.is_file():
            missing.append(name)
            continue
        if not (row.get("tags") or "").strip() and (row.get("rejected_tags") or "").strip():
            only_rejected += 1  # known negatives alone: for a head that learns from corrections
            continue
        pictures.append(
            LabelledPicture(
                file=file,
                tags=_tags(row.get("tags") or "", where, vocabulary),
                split=_split(row.get("split") or "", where),
                group=(row.get("group") or "").strip() or name,
                source=(row.get("source_dataset") or row.get("source") or "").strip(),
                licence=(row.get("licence") or row.get("license") or "").strip(),
            )
        )
    if not rows:
        raise BadDataError(f"{manifest}: empty; a row for each picture is expected")
    return Listing(manifest, tuple(pictures), tuple(missing), only_rejected)


def _rows(manifest: Path) -> Iterator[tuple[int, Mapping[str, str]]]:
    """Yield each row with the number of its line."""
    if manifest.suffix.lower() == ".parquet":
        yield from _parquet_rows(manifest)
        return
    reader = None
    try:
        with manifest.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream)
            if reader.fieldnames is None:
                raise BadDataError(f"{manifest}: empty; begin with the line file,tags")
            _require_columns(set(reader.fieldnames), manifest)
            for row in reader:
                if None in row:  # where DictReader puts cells beyond the last column
                    raise BadDataError(
                        f"{manifest}, line {reader.line_num}: more cells than columns; several "
                        "tags are separated by ';', names with a comma stand in quotes"
                    )
                yield reader.line_num, row
    except UnicodeDecodeError as exc:
        near = f" (after line {reader.line_num})" if reader and reader.line_num else ""
        raise BadDataError(f"{manifest}: not UTF-8{near}; save it as UTF-8") from exc
    except csv.Error as exc:
        line = reader.line_num if reader else 1
        raise BadDataError(f"{manifest}, line {line}: no CSV: {exc}") from exc
    except OSError as exc:
        raise BadDataError(f"{manifest}: cannot be read: {exc.strerror}") from exc


def _parquet_rows(manifest: Path) -> Iterator[tuple[int, Mapping[str, str]]]:
    import pyarrow
    import pyarrow.parquet

    try:
        # A file object, not a path: pyarrow takes ``key=value`` in a path for another column.
        with manifest.open("rb") as stream:
            table = pyarrow.parquet.read_table(stream)
    except (pyarrow.ArrowException, OSError) as exc:
        raise BadDataError(f"{manifest}: no Parquet: {exc}") from exc
    _require_columns(set(table.column_names), manifest)
    for line, row in enumerate(table.to_pylist(), start=1):
        yield line, {key: "" if value is None else str(value) for key, value in row.items()}


def _require_columns(columns: set[str], manifest: Path) -> None:
    lacking = sorted({"file", "tags"} - columns)
    if lacking:
        verb = "is" if len(lacking) == 1 else "are"
        raise BadDataError(
            f"{manifest}: the column {' and '.join(lacking)} {verb} missing; "
            f"found {', '.join(sorted(columns)) or 'none'}"
        )


def _tags(words: str, where: str, vocabulary: Vocabulary) -> tuple[str, ...]:
    try:
        found = vocabulary.find_all(words)
    except UnknownTagError as exc:
        raise BadDataError(f"{where}: {exc} ({OWN_TAGS_HINT})") from exc
    if not found:
        raise BadDataError(f"{where}: no tag; leave the picture out or name its tags")
    return found


def _split(word: str, where: str) -> str:
    word = word.strip().lower()
    word = _SPLIT_WORDS.get(word, word)
    if word != UNASSIGNED and word not in SPLITS:
        raise BadDataError(f"{where}: the split {word!r} is none of {', '.join(SPLITS)}")
    return word


def _from_folders(data_dir: Path, vocabulary: Vocabulary) -> Listing:
    pictures: list[LabelledPicture] = []
    ignored: list[Path] = []
    for folder in sorted(path for path in data_dir.iterdir() if path.is_dir()):
        if folder.name.startswith("."):
            continue
        inside = sorted(path for path in folder.rglob("*") if path.is_file())
        files = [path for path in inside if path.suffix.lower() in PICTURE_SUFFIXES]
        ignored += [path for path in inside if path.suffix.lower() not in PICTURE_SUFFIXES]
        if not files:
            continue
        tags = _tags(folder.name, str(folder), vocabulary)
        for file in files:
            inner = file.relative_to(folder).parts
            # A folder inside a tag's folder is a group: the pictures of one film or clip.
            group = inner[0] if len(inner) > 1 else file.relative_to(data_dir).as_posix()
            pictures.append(LabelledPicture(file, tags, UNASSIGNED, group))
    return Listing(data_dir, tuple(pictures), ignored=tuple(ignored))
