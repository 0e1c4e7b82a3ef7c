"""What is to be known of pictures before training on them: counts, leaks, duplicates, damage.

Looks at every picture once and gathers findings; trains nothing, prints nothing, changes no file.
"""

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training.dataset import SPLITS, LabelledPicture, Split, shared_groups, split_by_group
from training.duplicates import Cluster, Fingerprint, find_duplicates, fingerprint
from training.listing import Listing, list_pictures
from training.store import (
    Rejected,
    TinyPictureError,
    UnreadablePictureError,
    decode_picture,
    read_bytes,
)
from training.vocabulary import PAPER, Vocabulary

MIN_PICTURES = 100
"""A tag with fewer pictures in the train split is thin."""

Watch = Callable[[int, int], None]
"""Told after every few pictures: how many are done, of how many."""

_TOLD_EVERY = 64


@dataclass(frozen=True, slots=True)
class SamePictures:
    """Pictures of one cluster and the sides of the split they stand on.

    Attributes:
        pictures: Two or more.
        exact: Byte for byte; otherwise they look the same.
    """

    pictures: tuple[LabelledPicture, ...]
    exact: bool

    @property
    def splits(self) -> tuple[Split, ...]:
        """The sides, in the order of `SPLITS`."""
        sides = {picture.split for picture in self.pictures}
        return tuple(split for split in SPLITS if split in sides)

    @property
    def tags_differ(self) -> bool:
        """Not all carry the same tags."""
        return len({picture.tags for picture in self.pictures}) > 1


@dataclass(frozen=True, slots=True)
class Inspection:
    """All findings.

    Attributes:
        data_dir: Folder of the pictures.
        listing: What the manifest or the folders name.
        pictures: With the split that training would use.
        vocabulary: Every tag that a picture may carry.
        min_pictures: What thin means.
        shared_groups: Groups on two sides of the split, with the sides.
        unreadable: Damaged or empty files, or no pictures at all.
        tiny: Pictures too small to learn from.
        same: Duplicates, exact and near.
        seconds: How long the looking took.
    """

    data_dir: Path
    listing: Listing
    pictures: tuple[LabelledPicture, ...]
    vocabulary: Vocabulary
    min_pictures: int
    shared_groups: dict[str, tuple[Split, ...]]
    unreadable: tuple[Rejected, ...]
    tiny: tuple[Rejected, ...]
    same: tuple[SamePictures, ...]
    seconds: float

    def counts(self) -> dict[str, dict[Split, int]]:
        """Return for each tag with pictures how many stand on each side, in vocabulary order."""
        found = Counter((tag, item.split) for item in self.pictures for tag in item.tags)
        rows: dict[str, dict[Split, int]] = {}
        for tag in self.vocabulary.tags:
            row = {split: found[tag, split] for split in SPLITS}
            if any(row.values()):
                rows[tag] = row
        return rows

    def thin_tags(self) -> dict[str, int]:
        """Return the tags with pictures, but fewer than `min_pictures` to train on."""
        counts = self.counts()
        return {
            tag: row["train"] for tag, row in counts.items() if row["train"] < self.min_pictures
        }

    def empty_tags(self) -> tuple[str, ...]:
        """Return the tags of the vocabulary without a picture."""
        present = self.counts()
        return tuple(tag for tag in self.vocabulary.tags if tag not in present)

    def duplicates(self, *, exact: bool, across: bool) -> tuple[SamePictures, ...]:
        """Return duplicates of one kind: on two sides of the split (`across`), or within one."""
        return tuple(
            item for item in self.same if item.exact is exact and (len(item.splits) > 1) is across
        )

    def problems(self) -> list[str]:
        """Return why training would refuse these pictures, a line each; empty when it would not."""
        usable = self._usable()
        trained = {tag for item in self.pictures if item.split == "train" for tag in item.tags}
        found = []
        if self.listing.missing:
            found.append(f"{len(self.listing.missing)} files of the manifest are missing")
        if self.shared_groups:
            found.append(f"split leak: {len(self.shared_groups)} groups stand on two sides")
        if len(trained) < 2:
            names = ", ".join(sorted(trained)) or "none"
            found.append(f"training needs two tags or more in the train split, found {names}")
        found += [
            f"the {side} split has no picture that can be read"
            for side in ("train", "validation")
            if not usable[side]
        ]
        return found

    def warnings(self) -> list[str]:
        """Return what training would accept and a human should know, a line each."""
        thin, empty = self.thin_tags(), self.empty_tags()
        amounts = (
            (len(thin), f"thin tags (under {self.min_pictures} pictures to train on)"),
            (len(empty), "tags of the vocabulary without pictures"),
            (len(self.unreadable), "unreadable pictures"),
            (len(self.tiny), "pictures too small to learn from"),
            (len(self.duplicates(exact=True, across=True)), "exact duplicates across splits"),
            (len(self.duplicates(exact=False, across=True)), "near duplicates across splits"),
            (len(self.duplicates(exact=True, across=False)), "exact duplicates within a split"),
            (len(self.duplicates(exact=False, across=False)), "near duplicates within a split"),
            (sum(item.tags_differ for item in self.same), "duplicates that carry other tags"),
            (self.listing.only_rejected, "rows with nothing but rejected_tags, left out"),
            (len(self.listing.ignored), "files that are no pictures by name, left out"),
        )
        return [f"{count} {what}" for count, what in amounts if count]

    def as_json(self) -> dict[str, Any]:
        """Return everything as plain values; files are named below the data folder."""
        kinds = {
            f"{'exact' if exact else 'near'}_{'across' if across else 'within'}": [
                {
                    "files": {
                        side: [self.name_of(p.file) for p in item.pictures if p.split == side]
                        for side in item.splits
                    },
                    "tags_differ": item.tags_differ,
                }
                for item in self.duplicates(exact=exact, across=across)
            ]
            for exact in (True, False)
            for across in (True, False)
        }
        sides = Counter(item.split for item in self.pictures)
        return {
            "data": str(self.data_dir),
            "origin": str(self.listing.origin),
            "pictures": len(self.pictures),
            "groups": len({item.group for item in self.pictures}),
            "splits": {split: sides[split] for split in SPLITS},
            "tags": self.counts(),
            "min_pictures": self.min_pictures,
            "thin_tags": self.thin_tags(),
            "tags_without_pictures": list(self.empty_tags()),
            "groups_on_two_sides": {name: list(on) for name, on in self.shared_groups.items()},
            "duplicates": kinds,
            "unreadable": [self._left_out(item) for item in self.unreadable],
            "tiny": [self._left_out(item) for item in self.tiny],
            "missing_files": list(self.listing.missing),
            "only_rejected_rows": self.listing.only_rejected,
            "ignored_files": [self.name_of(file) for file in self.listing.ignored],
            "problems": self.problems(),
            "warnings": self.warnings(),
            "seconds": round(self.seconds, 1),
        }

    def name_of(self, file: Path) -> str:
        """Return the name of a file below the data folder."""
        return file.relative_to(self.data_dir).as_posix()

    def _left_out(self, item: Rejected) -> dict[str, str]:
        return {"file": self.name_of(item.file), "reason": item.reason}

    def _usable(self) -> Counter[str]:
        bad = {item.file for item in (*self.unreadable, *self.tiny)}
        return Counter(item.split for item in self.pictures if item.file not in bad)


def inspect_data(
    data_dir: Path,
    manifest: Path | None = None,
    *,
    vocabulary: Vocabulary = PAPER,
    seed: int = 1,
    min_pictures: int = MIN_PICTURES,
    watch: Watch = lambda done, total: None,
) -> Inspection:
    """Look at every picture and gather what is to be known before training.

    Args:
        data_dir: As `listing.list_pictures`.
        manifest: Likewise.
        vocabulary: Tags that may stand there.
        seed: Of the split, where none is named; the same as for training.
        min_pictures: A tag with fewer in the train split is thin.
        watch: Told how far it is.

    Raises:
        BadDataError: As `listing.list_pictures`; missing files and leaks are findings, not errors.
    """
    began_s = time.monotonic()
    listing = list_pictures(data_dir, manifest, vocabulary)
    pictures = split_by_group(listing.pictures, seed)
    looks = _look([picture.file for picture in pictures], watch)
    good = [row for row, found in enumerate(looks) if isinstance(found, Fingerprint)]
    clusters = find_duplicates([found for found in looks if isinstance(found, Fingerprint)])
    unreadable, tiny = _rejected([picture.file for picture in pictures], looks)
    return Inspection(
        data_dir=data_dir,
        listing=listing,
        pictures=tuple(pictures),
        vocabulary=vocabulary,
        min_pictures=min_pictures,
        shared_groups=shared_groups(pictures),
        unreadable=unreadable,
        tiny=tiny,
        same=tuple(_same(cluster, good, pictures) for cluster in clusters),
        seconds=time.monotonic() - began_s,
    )


def _look(files: Sequence[Path], watch: Watch) -> list[Fingerprint | UnreadablePictureError]:
    def look(file: Path) -> Fingerprint | UnreadablePictureError:
        try:
            data = read_bytes(file)
            return fingerprint(data, decode_picture(data))
        except UnreadablePictureError as exc:
            return exc

    found: list[Fingerprint | UnreadablePictureError] = []
    with ThreadPoolExecutor(2) as pool:
        for item in pool.map(look, files):
            found.append(item)
            if len(found) % _TOLD_EVERY == 0 or len(found) == len(files):
                watch(len(found), len(files))
    return found


def _rejected(
    files: Sequence[Path], looks: Sequence[Fingerprint | UnreadablePictureError]
) -> tuple[tuple[Rejected, ...], tuple[Rejected, ...]]:
    """Return the unreadable and the tiny, each file once."""
    kinds: dict[bool, dict[Path, Rejected]] = defaultdict(dict)
    for file, found in zip(files, looks, strict=True):
        if isinstance(found, UnreadablePictureError):
            kinds[isinstance(found, TinyPictureError)][file] = Rejected(file, str(found))
    return tuple(kinds[False].values()), tuple(kinds[True].values())


def _same(
    cluster: Cluster, good: Sequence[int], pictures: Sequence[LabelledPicture]
) -> SamePictures:
    return SamePictures(tuple(pictures[good[row]] for row in cluster.rows), cluster.exact)
