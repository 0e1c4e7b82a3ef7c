"""What an export is made of: a film with all that was found in it, and chapters made of segments.

Knows no file format.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from app.domain.library import Film, FrameView
from app.domain.shots import Shot
from app.domain.tags import FilmTag, Segment

DEFAULT_FRAME_RATE = 25.0
"""Where a file does not say how many pictures a second it has."""

MIN_CHAPTER_S = 1.0
"""Shorter chapters are no places to jump to; they go to the one before."""


@dataclass(frozen=True, slots=True)
class Findings:
    """All that was found in a film.

    Attributes:
        film: The film.
        tags: Its tags, best first.
        segments: Where tags hold, by start.
        frames: Its key frames in time order.
    """

    film: Film
    tags: Sequence[FilmTag]
    segments: Sequence[Segment]
    frames: Sequence[FrameView]

    @property
    def shots(self) -> list[Shot]:
        """The shots in time order."""
        return list(dict.fromkeys(frame.shot for frame in self.frames))

    @property
    def frame_rate(self) -> float:
        """Pictures a second, above 0."""
        return self.film.frame_rate or DEFAULT_FRAME_RATE

    @property
    def duration_s(self) -> float:
        """Length of the film; where it is not known, the end of what was found."""
        ends = [one.end_s for one in self.segments] + [shot.end_s for shot in self.shots]
        return self.film.duration_s or max(ends, default=0.0)


@dataclass(frozen=True, slots=True)
class Chapter:
    """A stretch of a film with one name, `[start_s, end_s)`; chapters do not overlap."""

    title: str
    start_s: float
    end_s: float


def chapters(segments: Sequence[Segment], min_duration_s: float = MIN_CHAPTER_S) -> list[Chapter]:
    """Turn segments, which may overlap, into chapters, which do not, in time order.

    Each moment belongs to the strongest segment that holds there (a human's before a model's, then
    the score, then the name); neighbouring moments of one tag are one chapter. A chapter shorter
    than `min_duration_s` is added to the one that ends where it starts, where there is one.
    """
    moments = sorted({time_s for one in segments for time_s in (one.start_s, one.end_s)})
    waiting = sorted(segments, key=lambda one: -one.start_s)
    holding: list[Segment] = []
    found: list[Chapter] = []
    for start_s, end_s in pairwise(moments):
        while waiting and waiting[-1].start_s <= start_s:
            holding.append(waiting.pop())
        holding = [one for one in holding if one.end_s > start_s]
        if holding:
            best = min(holding, key=lambda one: (one.source != "human", -one.score, one.tag))
            _add(found, Chapter(best.tag, start_s, end_s))
    long: list[Chapter] = []
    for chapter in found:
        last = long[-1] if long else None
        touches = last is not None and last.end_s == chapter.start_s
        if last is not None and touches and chapter.end_s - chapter.start_s < min_duration_s:
            long[-1] = Chapter(last.title, last.start_s, chapter.end_s)
        else:
            _add(long, chapter)
    return long


def _add(found: list[Chapter], chapter: Chapter) -> None:
    """Append a chapter, joined to the last one where both are one stretch of one tag."""
    last = found[-1] if found else None
    if last is not None and (last.title, last.end_s) == (chapter.title, chapter.start_s):
        found[-1] = Chapter(last.title, last.start_s, chapter.end_s)
    else:
        found.append(chapter)
