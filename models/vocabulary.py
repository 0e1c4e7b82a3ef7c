"""The 50 tags a film can have, in the order of the paper, each with a URL-safe slug.

Knows names only: not which of them a model was trained on (the manifest says that), nor any score.
"""

import re
from dataclasses import dataclass

TAGS: tuple[str, ...] = (
    "Action", "Bomb explosion", "Car chase", "Destruction", "Sword fight", "Vehicle crash",
    "Violence", "Abduction", "Heist", "Adventure", "Animal", "Beach/Sea", "Climbing", "Desert",
    "Hiking", "Forest", "Valleys/Hills", "Children", "Family", "Club/Bar", "Dance", "Music",
    "Wedding", "College/Univ.", "Hospital", "Drinking", "Food", "Smoking", "Exercise", "Sports",
    "Swimming", "Glamor/Fashion", "Nudity", "Romance", "Sex", "Horror", "Monster", "Murder",
    "Lab Experiment", "Sci-fi", "Super hero", "Technology", "Robot", "Military", "Police",
    "Prison", "War", "Weapon", "Animation", "Drama",
)  # fmt: skip
"""Tag names, exactly as they are stored, printed and trained.

Source: Khan, Martinez-del-Amor et al., IEEE Access 2020, doi 10.1109/ACCESS.2019.2963535.
"""


class UnknownTagError(ValueError):
    """The given word is neither the name nor the slug of a tag in the vocabulary."""


@dataclass(frozen=True, slots=True)
class Tag:
    """One word of the vocabulary.

    Attributes:
        name: What people read and what is stored, for example ``Beach/Sea``.
        slug: What stands in a URL or a folder name, for example ``beach-sea``.
    """

    name: str
    slug: str


def slug_of(name: str) -> str:
    """Turn a tag name into lower-case ASCII words joined by ``-``.

    Raises:
        ValueError: Nothing that can stand in a URL is left of `name`.
    """
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    if not slug:
        raise ValueError(f"the tag name {name!r} has no letter or digit to make a slug from")
    return slug


VOCABULARY: tuple[Tag, ...] = tuple(Tag(name, slug_of(name)) for name in TAGS)
"""The 50 tags with their slugs, in the order of `TAGS`."""

_BY_WORD = {word.casefold(): tag for tag in VOCABULARY for word in (tag.slug, tag.name)}


def find_tag(word: str) -> Tag:
    """Return the tag whose name or slug is `word`, whatever its case.

    Raises:
        UnknownTagError: No tag is called so; the message offers the nearest names.
    """
    tag = _BY_WORD.get(word.strip().casefold())
    if tag is None:
        from difflib import get_close_matches

        near = get_close_matches(word.casefold(), list(_BY_WORD), n=3, cutoff=0.5)
        names = ", ".join(dict.fromkeys(_BY_WORD[key].name for key in near))
        hint = f"; did you mean {names}?" if names else ""
        raise UnknownTagError(f"{word!r} is not a tag of the vocabulary{hint}")
    return tag
