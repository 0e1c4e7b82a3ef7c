"""How a film is cut into chunks, the stretches between two checkpoints of its job.

Knows seconds only: neither how a chunk is read nor where its result goes.
"""

from dataclasses import dataclass

from app.domain.shots import Span

PROBE_PIECE = -1
FINISH_PIECE = -2
"""The pieces of a job that are no chunk; chunks count from 0."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The chunks of one run of a film; the same for every process that works on it.

    Attributes:
        spans: The chunks in time order; together they are the whole film.
        model_version: The model that was loaded when the run began.
    """

    spans: tuple[Span, ...]
    model_version: str


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
