"""What humans say of tags: of a film, of a segment, of one key frame; and what follows from it.

A verdict speaks of seconds, never of rows of a run: so it survives every retag. It stands beside
what the model said and changes only what is shown. Knows no row and no JSON.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from app.domain.library import HUMAN_SCORE, Verdict
from app.domain.segments import TOUCHING_S
from app.domain.tags import Segment, TagScore

SAME_FRAME_S = 1e-3
"""A key frame is known again by its time; frames of a film are farther apart than a millisecond."""


class Scope(StrEnum):
    """How much of a film a verdict speaks of."""

    FILM = "film"
    SEGMENT = "segment"
    FRAME = "frame"


@dataclass(frozen=True, slots=True)
class Target:
    """What a verdict speaks of.

    Attributes:
        scope: The whole film, a stretch of it, or one key frame.
        start_s: Start of the stretch, or the key frame's time; 0 for a film.
        end_s: End of the stretch, or the key frame's time; 0 for a film.
    """

    scope: Scope = Scope.FILM
    start_s: float = 0.0
    end_s: float = 0.0

    def __post_init__(self) -> None:
        if self.scope is Scope.SEGMENT and not 0 <= self.start_s < self.end_s < float("inf"):
            raise ValueError("a segment ends after it starts, and starts at 0 or later")

    @classmethod
    def segment(cls, start_s: float, end_s: float) -> "Target":
        """Return the stretch `[start_s, end_s)`.

        Raises:
            ValueError: It does not end after it starts.
        """
        return cls(Scope.SEGMENT, start_s, end_s)

    @classmethod
    def frame(cls, time_s: float) -> "Target":
        """Return the key frame at `time_s`."""
        return cls(Scope.FRAME, time_s, time_s)


WHOLE_FILM = Target()
"""The film itself."""


@dataclass(frozen=True, slots=True)
class VerdictRecord:
    """A verdict as it is kept; final until somebody takes it back.

    Attributes:
        id: Ids sort by the time of the verdict.
        film_id: The film.
        tag: Name in the vocabulary.
        target: What it speaks of.
        verdict: What was said.
        created_at: When, UTC.
    """

    id: str
    film_id: str
    tag: str
    target: Target
    verdict: Verdict
    created_at: datetime


def of_film(records: Iterable[VerdictRecord]) -> dict[str, Verdict]:
    """Return the verdicts on the whole film, by tag."""
    return {one.tag: one.verdict for one in records if one.target.scope is Scope.FILM}


def apply_to_segments(
    segments: Iterable[Segment], records: Iterable[VerdictRecord], only: Iterable[str] | None = None
) -> list[Segment]:
    """Let humans have the last word on the segments of a film; by start, then by name.

    A tag that was rejected for the film has none. A verdict on a stretch takes the stretch out of
    what was there, from earlier verdicts too; an accepted one then stands there itself, with the
    score `HUMAN_SCORE` and the source ``human``.

    Args:
        segments: What the model says.
        records: What humans said of the film, the oldest first.
        only: Tags to look for; None means all.
    """
    records = list(records)
    gone = {tag for tag, verdict in of_film(records).items() if verdict is Verdict.REJECTED}
    wanted = None if only is None else set(only)
    shown = [one for one in segments if one.tag not in gone]
    for record in records:
        target = record.target
        if target.scope is not Scope.SEGMENT or record.tag in gone:
            continue
        if wanted is not None and record.tag not in wanted:
            continue
        shown = [
            rest
            for one in shown
            for rest in (_without(one, target) if one.tag == record.tag else (one,))
        ]
        if record.verdict is Verdict.ACCEPTED:
            shown.append(Segment(record.tag, target.start_s, target.end_s, HUMAN_SCORE, "human"))
    return sorted(shown, key=lambda one: (one.start_s, one.tag))


def apply_to_frame(
    tags: Sequence[TagScore], time_s: float, records: Iterable[VerdictRecord]
) -> tuple[TagScore, ...]:
    """Let humans have the last word on the first tags of the key frame at `time_s`.

    Accepted ones come first with the score `HUMAN_SCORE` and the source ``human``.
    """
    said = {
        one.tag: one.verdict
        for one in records
        if one.target.scope is Scope.FRAME and abs(one.target.start_s - time_s) < SAME_FRAME_S
    }
    human = [
        TagScore(tag, HUMAN_SCORE, "human")
        for tag, verdict in sorted(said.items())
        if verdict is Verdict.ACCEPTED
    ]
    return (*human, *(tag for tag in tags if tag.tag not in said))


def _without(segment: Segment, target: Target) -> list[Segment]:
    """Return what is left of a segment outside a stretch; nothing shorter than a microsecond."""
    if target.end_s <= segment.start_s or segment.end_s <= target.start_s:
        return [segment]
    left = [(segment.start_s, target.start_s), (target.end_s, segment.end_s)]
    return [
        replace(segment, start_s=start_s, end_s=end_s)
        for start_s, end_s in left
        if end_s - start_s > TOUCHING_S
    ]
