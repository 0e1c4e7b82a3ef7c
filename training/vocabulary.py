"""Which tags pictures may carry: the 50 of `models.vocabulary`, or those of a file of one's own.

Reads a list of words; knows no pictures. A service activates only models over the 50 tags.
"""

from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from models.vocabulary import TAGS, UnknownTagError, slug_of
from training.errors import BadDataError
from training.whole_files import write_whole

VOCABULARY_FILE = "vocabulary.txt"
"""In the directory of a run over tags of one's own: those tags, one a line."""

MAX_TAG_LENGTH = 80
_COMMENT = "#"
_SEPARATOR = ";"


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Every tag that a picture may carry.

    Attributes:
        tags: Names, in the order of a network's outputs.
    """

    tags: tuple[str, ...] = TAGS

    def find(self, word: str) -> str:
        """Return the tag whose name or slug is `word`, whatever its case.

        Raises:
            UnknownTagError: There is none; the message offers the nearest names.
        """
        names = self._names()
        found = names.get(word.strip().casefold())
        if found is None:
            near = get_close_matches(word.strip().casefold(), list(names), n=3, cutoff=0.5)
            offered = ", ".join(dict.fromkeys(names[key] for key in near))
            hint = f"; did you mean {offered}?" if offered else ""
            raise UnknownTagError(f"{word.strip()!r} is not a tag of the vocabulary{hint}")
        return found

    def find_all(self, words: str) -> tuple[str, ...]:
        """Return the tags in `words`, separated by ``;``, in the order of the vocabulary.

        Raises:
            UnknownTagError: One of them is no tag.
        """
        found = {self.find(word) for word in words.split(_SEPARATOR) if word.strip()}
        return tuple(tag for tag in self.tags if tag in found)

    def save(self, run_dir: Path) -> None:
        """Write the tags into the directory of a run, when they are not the 50."""
        if self.tags == TAGS:
            (run_dir / VOCABULARY_FILE).unlink(missing_ok=True)
        else:
            write_whole(run_dir / VOCABULARY_FILE, "".join(f"{tag}\n" for tag in self.tags))

    def _names(self) -> dict[str, str]:
        cached = _NAMES.get(self.tags)
        if cached is None:
            cached = {word.casefold(): tag for tag in self.tags for word in (slug_of(tag), tag)}
            _NAMES[self.tags] = cached
        return cached


_NAMES: dict[tuple[str, ...], dict[str, str]] = {}

PAPER = Vocabulary()
"""The 50 tags."""


def read_vocabulary(file: Path | None) -> Vocabulary:
    """Read tags of one's own: one a line, ``#`` begins a comment, empty lines are skipped.

    Args:
        file: UTF-8 text; None gives the 50 tags.

    Raises:
        BadDataError: It cannot be read, or two tags cannot be told apart; the message names the
            line.
    """
    if file is None:
        return PAPER
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except OSError as exc:
        raise BadDataError(f"{file}: no such vocabulary: {exc.strerror}") from exc
    except UnicodeDecodeError as exc:
        raise BadDataError(f"{file}: not UTF-8 (byte {exc.start}); save it as UTF-8") from exc
    by_slug: dict[str, str] = {}
    for number, line in enumerate(lines, start=1):
        tag = " ".join(line.split(_COMMENT, 1)[0].split())
        if not tag:
            continue
        where = f"{file}, line {number}"
        if _SEPARATOR in tag or len(tag) > MAX_TAG_LENGTH:
            raise BadDataError(f"{where}: a tag has no ';' and at most {MAX_TAG_LENGTH} letters")
        try:
            slug = slug_of(tag)
        except ValueError as exc:
            raise BadDataError(f"{where}: {exc}") from exc
        if slug in by_slug:
            raise BadDataError(f"{where}: {tag!r} and {by_slug[slug]!r} are the same tag")
        by_slug[slug] = tag
    if len(by_slug) < 2:
        raise BadDataError(f"{file}: a vocabulary has two tags or more, one a line")
    return Vocabulary(tuple(by_slug.values()))


def vocabulary_of_run(run_dir: Path, chosen: Path | None = None) -> Vocabulary:
    """Return the vocabulary `chosen`, or else that of the run, or else the 50 tags.

    Raises:
        BadDataError: As `read_vocabulary`.
    """
    own = run_dir / VOCABULARY_FILE
    return read_vocabulary(chosen or (own if own.is_file() else None))
