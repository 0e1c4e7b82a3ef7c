"""Which pictures there are, which tags each carries, and on which side of the split it stands.

Reads a manifest (CSV or Parquet) or a folder per tag. Knows file names and tags; decodes nothing
(`store.py` does) and knows no network.
"""

import csv
import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from models.vocabulary import TAGS, UnknownTagError, find_tag
from training.errors import BadDataError

Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = get_args(Split)
SPLIT_SHARES: dict[Split, float] = {"train": 0.7, "validation": 0.15, "test": 0.15}
"""Shares of the pictures when the manifest names no split (the paper's own order of magnitude)."""

PICTURE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"})
MANIFEST_FILE = "manifest.csv"
_SPLIT_WORDS = {
    "val": "validation",
    "valid": "validation",
    "dev": "validation",
    "training": "train",
}
_UNASSIGNED = ""


@dataclass(frozen=True, slots=True)
class LabelledPicture:
    """One picture file and what is known of it.

    Attributes:
        file: Where it lies.
        tags: Names of its tags, in the order of the vocabulary. Others may apply as well.
        split: Which side of the split it stands on.
        group: Pictures of one group (a film, a clip) stand on one side.
        source: Name of the collection it comes from; empty when unstated.
        licence: Terms of that collection; empty when unstated.
    """

    file: Path
    tags: tuple[str, ...]
    split: str
    group: str
    source: str = ""
    licence: str = ""


@dataclass(frozen=True, slots=True)
class Collection:
    """All labelled pictures of one training run or evaluation.

    Attributes:
        pictures: In the order of the manifest.
        tags: The tags that a network learns, in the order of its outputs.
    """

    pictures: tuple[LabelledPicture, ...]
    tags: tuple[str, ...]

    def of(self, split: Split) -> tuple[LabelledPicture, ...]:
        """Return the pictures on one side of the split."""
        return tuple(picture for picture in self.pictures if picture.split == split)


def read_collection(
    data_dir: Path, manifest: Path | None = None, *, seed: int = 1, to_train: bool = True
) -> Collection:
    """Find the pictures, their tags and their split.

    Args:
        data_dir: Folder with the pictures; names in a manifest are relative to it.
        manifest: CSV or Parquet with `file,tags[,split][,group]`; without it
            `data_dir/manifest.csv` is used, or else a folder per tag is expected.
        seed: Decides the split where the manifest names none.
        to_train: Ask for two tags or more in the train split; measuring needs none there.

    Raises:
        BadDataError: Nothing usable is there; the message says what and where.
    """
    if not data_dir.is_dir():
        raise BadDataError(f"{data_dir}: no such folder")
    if manifest is not None:
        pictures = _from_manifest(data_dir, _manifest_path(data_dir, manifest))
    elif (data_dir / MANIFEST_FILE).is_file():
        pictures = _from_manifest(data_dir, data_dir / MANIFEST_FILE)
    else:
        pictures = _from_folders(data_dir)
    if not pictures:
        raise BadDataError(
            f"{data_dir}: no pictures found; lay them in a folder per tag, or name a manifest"
        )
    pictures = split_by_group(pictures, seed)
    trained = {tag for picture in pictures if picture.split == "train" for tag in picture.tags}
    if to_train and len(trained) < 2:
        raise BadDataError(
            f"{data_dir}: training needs two tags or more, found "
            f"{', '.join(sorted(trained)) or 'none'} in the train split"
        )
    return Collection(tuple(pictures), tuple(tag for tag in TAGS if tag in trained))


def split_by_group(pictures: Sequence[LabelledPicture], seed: int) -> list[LabelledPicture]:
    """Give every picture without a split one, whole groups at a time, in fixed proportions.

    Groups are dealt tag by tag, rarest tag first, in the order of a hash of their name: the same
    names and seed give the same split, and every tag gets its share of each side.

    Args:
        pictures: Those with a split keep it.
        seed: Another seed deals the groups differently.
    """
    counts = Counter(tag for picture in pictures for tag in picture.tags)
    rarest: dict[str, str] = {}
    for picture in pictures:
        if picture.split == _UNASSIGNED:
            candidates = (*picture.tags, rarest.get(picture.group, picture.tags[0]))
            rarest[picture.group] = min(candidates, key=lambda tag: (counts[tag], tag))
    by_tag: dict[str, list[str]] = defaultdict(list)
    for group, tag in rarest.items():
        by_tag[tag].append(group)
    split_of: dict[str, Split] = {}
    for groups in by_tag.values():
        groups.sort(key=lambda group: hashlib.sha256(f"{seed}:{group}".encode()).digest())
        split_of.update(_deal(groups))
    return [
        replace(picture, split=split_of[picture.group]) if picture.split == _UNASSIGNED else picture
        for picture in pictures
    ]


def _deal(groups: Sequence[str]) -> dict[str, Split]:
    """Hand out groups in proportion; with three or more, each side gets one at least."""
    held_out = round(len(groups) * SPLIT_SHARES["test"])
    held_out = max(held_out, 1 if len(groups) >= 3 else 0)
    split_of: dict[str, Split] = dict.fromkeys(groups, "train")
    split_of.update(dict.fromkeys(groups[:held_out], "test"))
    split_of.update(dict.fromkeys(groups[held_out : 2 * held_out], "validation"))
    return split_of


def target_rows(
    pictures: Sequence[LabelledPicture], tags: Sequence[str], *, normalised: bool
) -> NDArray[np.float32]:
    """Write tags as rows of numbers.

    Args:
        pictures: One row each.
        tags: One column each; tags of a picture that have no column are left out.
        normalised: Rows sum to 1 (for softmax), else each tag of the picture is a 1.

    Returns:
        `(pictures, tags)` float32.
    """
    column = {tag: index for index, tag in enumerate(tags)}
    rows = np.zeros((len(pictures), len(tags)), np.float32)
    for row, picture in zip(rows, pictures, strict=True):
        row[[column[tag] for tag in picture.tags if tag in column]] = 1
    if normalised:
        rows /= np.maximum(rows.sum(axis=1, keepdims=True), 1)
    return rows


def _manifest_path(data_dir: Path, manifest: Path) -> Path:
    for candidate in (manifest, data_dir / manifest):
        if candidate.is_file():
            return candidate
    raise BadDataError(f"{manifest}: no such manifest, neither here nor in {data_dir}")


def _from_manifest(data_dir: Path, manifest: Path) -> list[LabelledPicture]:
    pictures: list[LabelledPicture] = []
    missing: list[str] = []
    for line, row in enumerate(_rows(manifest), start=2):
        name = (row.get("file") or "").strip()
        if not name:
            raise BadDataError(f"{manifest}, line {line}: the column `file` is empty")
        file = data_dir / name
        if not file.is_file():
            missing.append(name)
            continue
        if not (row.get("tags") or "").strip() and (row.get("rejected_tags") or "").strip():
            continue  # only known negatives: for a head that learns from corrections
        pictures.append(
            LabelledPicture(
                file=file,
                tags=_tags(row.get("tags") or "", f"{manifest}, line {line}"),
                split=_split(row.get("split") or "", f"{manifest}, line {line}"),
                group=(row.get("group") or "").strip() or name,
                source=(row.get("source_dataset") or row.get("source") or "").strip(),
                licence=(row.get("licence") or row.get("license") or "").strip(),
            )
        )
    if missing:
        some = ", ".join(missing[:3]) + (" ..." if len(missing) > 3 else "")
        raise BadDataError(
            f"{manifest} names {len(missing)} files that are not in {data_dir}: {some}"
        )
    return pictures


def _rows(manifest: Path) -> Iterable[Mapping[str, str]]:
    if manifest.suffix == ".parquet":
        import pyarrow.parquet

        table = pyarrow.parquet.read_table(manifest)
        rows: list[dict[str, str]] = [
            {key: "" if value is None else str(value) for key, value in row.items()}
            for row in table.to_pylist()
        ]
        columns = set(table.column_names)
    else:
        with manifest.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream)
            rows = list(reader)
            columns = set(reader.fieldnames or ())
    lacking = {"file", "tags"} - columns
    if lacking:
        raise BadDataError(f"{manifest}: the column {' and '.join(sorted(lacking))} is missing")
    return rows


def _tags(words: str, where: str) -> tuple[str, ...]:
    try:
        names = {find_tag(word).name for word in words.split(";") if word.strip()}
    except UnknownTagError as exc:
        raise BadDataError(f"{where}: {exc}") from exc
    if not names:
        raise BadDataError(f"{where}: no tag; leave the picture out or name its tags")
    return tuple(tag for tag in TAGS if tag in names)


def _split(word: str, where: str) -> str:
    word = word.strip().lower()
    word = _SPLIT_WORDS.get(word, word)
    if word != _UNASSIGNED and word not in SPLITS:
        raise BadDataError(f"{where}: the split {word!r} is none of {', '.join(SPLITS)}")
    return word


def _from_folders(data_dir: Path) -> list[LabelledPicture]:
    pictures: list[LabelledPicture] = []
    for folder in sorted(path for path in data_dir.iterdir() if path.is_dir()):
        files = sorted(
            path for path in folder.rglob("*") if path.suffix.lower() in PICTURE_SUFFIXES
        )
        if not files:
            continue
        tags = _tags(folder.name, str(folder))
        for file in files:
            inner = file.relative_to(folder).parts
            # A folder inside a tag's folder is a group: the pictures of one film or clip.
            group = inner[0] if len(inner) > 1 else file.relative_to(data_dir).as_posix()
            pictures.append(LabelledPicture(file, tags, _UNASSIGNED, group))
    return pictures
