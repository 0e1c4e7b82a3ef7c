"""One labelled picture, and the words for the sides of a split.

Knows names only; reads no file and decodes nothing.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = get_args(Split)
UNASSIGNED = ""
"""The split of a picture that has none yet."""


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
