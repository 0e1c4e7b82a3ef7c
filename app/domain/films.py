"""Films: their states, what a probe tells of them, and how they are sampled.

Knows no database row, no decoder and no clock.
"""

from dataclasses import dataclass
from enum import StrEnum


class FilmStatus(StrEnum):
    """Where a film stands. The last three are ends; `retag` leads back to ``queued``."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        """Whether nothing more happens by itself."""
        return self in {FilmStatus.DONE, FilmStatus.FAILED, FilmStatus.CANCELLED}


class Stage(StrEnum):
    """What the worker is doing with a film."""

    QUEUED = "queued"
    PROBING = "probing"
    ANALYSING = "analysing"
    AGGREGATING = "aggregating"
    FINISHED = "finished"


@dataclass(frozen=True, slots=True)
class FilmProbe:
    """What the file says of itself, before a frame is decoded.

    Attributes:
        duration_s: Seconds from the first presented frame; None where the file does not say.
        width_px: Width as shown, rotation applied.
        height_px: Height as shown, rotation applied.
        frame_rate: Average pictures a second; None where the file does not say.
        codec: Short name of the video codec, for example ``h264``.
        container: Short name of the container, for example ``mov``.
        rotation_deg: Clockwise turn that shows the picture upright: 0, 90, 180 or 270.
    """

    duration_s: float | None
    width_px: int
    height_px: int
    frame_rate: float | None
    codec: str
    container: str
    rotation_deg: int = 0


@dataclass(frozen=True, slots=True)
class Sampling:
    """Which frames of a film are looked at.

    Attributes:
        mode: ``shots`` (shot detection over all frames), ``keyframes`` (the codec's own key frames
            only: fastest) or ``interval`` (a frame every `interval_s`).
        interval_s: Seconds between frames, for ``interval`` only; else 0.
    """

    mode: str = "shots"
    interval_s: float = 0.0

    @classmethod
    def parse(cls, text: str) -> "Sampling":
        """Read ``shots``, ``keyframes`` or ``interval:SECONDS``.

        Raises:
            ValueError: `text` is none of them, or the seconds are not in 0.02..3600.
        """
        word, _, seconds = text.strip().lower().partition(":")
        if word in {"shots", "keyframes"} and not seconds:
            return cls(word)
        if word == "interval" and seconds:
            try:
                interval_s = float(seconds)
            except ValueError:
                interval_s = 0.0
            if 0.02 <= interval_s <= 3600:
                return cls(word, interval_s)
            raise ValueError(f"interval:SECONDS takes 0.02 to 3600 seconds, not {seconds!r}")
        raise ValueError(f"sampling is shots, keyframes or interval:SECONDS, not {text!r}")

    def __str__(self) -> str:
        return f"interval:{self.interval_s:g}" if self.mode == "interval" else self.mode


DEFAULT_SAMPLING = Sampling("shots")
"""What a film gets that asks for nothing else."""
