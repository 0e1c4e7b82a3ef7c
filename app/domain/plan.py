"""How a film is cut into chunks, the stretches between two checkpoints of its job.

Knows seconds only: neither how a chunk is read nor where its result goes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from app.domain.shots import Span

PROBE_PIECE = -1
FINISH_PIECE = -2
"""The pieces of a job that are no chunk; chunks count from 0."""


class Wish(StrEnum):
    """How a run is wished to look at its film; what it wishes for can turn out impossible."""

    DECODE = "decode"
    """Somebody waits for this film: decode it."""
    DECODE_LATER = "decode-later"
    """Decode it when no film waits that somebody asked for by name."""
    FEATURES = "features"
    """Score the features that are stored; decode where that cannot be."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The chunks of one run of a film; the same for every process that works on it.

    Attributes:
        spans: The chunks in time order; together they are the whole film.
        model_version: The model that was loaded when the run began.
        source_run: The run whose shots, pictures and features are taken over, so that nothing is
            decoded; None decodes the film.
    """

    spans: tuple[Span, ...]
    model_version: str
    source_run: int | None = None


def cut_into_spans(duration_s: float | None, chunk_s: float) -> tuple[Span, ...]:
    """Cut a film into stretches of `chunk_s` seconds.

    The last one is open-ended, since a file may be longer than it says, and up to half as long
    again, so that no film ends in a sliver. A film that does not say its length is one stretch.

    Args:
        duration_s: What the file says, above 0; None where it says nothing.
        chunk_s: Seconds of a stretch, above 0.
    """
    count = 1 if duration_s is None else max(1, round(duration_s / chunk_s))
    starts_s = [number * chunk_s for number in range(count)]
    ends_s = [*starts_s[1:], None]
    return tuple(Span(start_s, end_s) for start_s, end_s in zip(starts_s, ends_s, strict=True))


def join_spans(spans: Sequence[Span], sizes: Sequence[int], most: int) -> tuple[Span, ...]:
    """Join neighbouring stretches as long as one does not grow above `most`.

    Args:
        spans: Stretches in time order, without gaps.
        sizes: How much work each is.
        most: How much work a joined one may be; a stretch that is more by itself stays alone.
    """
    joined: list[Span] = []
    size = 0
    for span, more in zip(spans, sizes, strict=True):
        if joined and size + more <= most:
            joined[-1] = Span(joined[-1].start_s, span.end_s)
            size += more
        else:
            joined.append(span)
            size = more
    return tuple(joined)
