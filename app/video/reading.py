"""Frames -> shots with key frames, for every sampling and for spans.

Joins a `FilmSource`, a finder of cuts and the key frame policy. Knows no PyAV and no process. A
span is read from a little before its start, so that its cuts and key frames are those of the whole
film.
"""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from app.domain.films import Sampling
from app.domain.shots import KeyFrame, Shot, ShotFrames, Span
from app.video.keyframes import Candidate, CandidatePool, is_candidate, quality_of
from app.video.samples import SampleCutter
from app.video.shots import CutFinder

FIRST_LEAD_S = Fraction(4)
"""A span is read from so long before its start at first; four times as long where that is too
little for the windows of the shot finder."""

CODEC_KEYS_EVERY_S = Fraction(1, 2)
"""In `keyframes` mode at most one frame in each such stretch: some codecs have key frames only."""

KEYS_SEAM_S = Fraction(30)
"""In `keyframes` mode a shot is cut here at the latest: all its pictures are held at once."""

INTERVAL_SEAM = 64
"""In `interval` mode a shot is cut after so many samples, for the same reason."""

NO_DURATION = Fraction(1, 25)
"""How long the last frame is shown where the file does not say."""

MAX_LAST_FRAME_S = Fraction(600)
"""A last frame said to be shown longer is not believed."""


class SourceFrame(Protocol):
    """A frame as `FilmSource` gives it."""

    time: Fraction
    duration: Fraction | None

    def small(self) -> NDArray[np.uint8]:
        """Return `(3, height, width)` uint8 Y, U, V."""
        ...

    def picture(self) -> NDArray[np.uint8]:
        """Return `(height, width, 3)` uint8 RGB."""
        ...


class Source(Protocol):
    """A film that can be read, as `FilmSource` is."""

    @property
    def corrupt_count(self) -> int:
        """Frames found damaged so far."""
        ...

    @property
    def packets_end_s(self) -> Fraction:
        """Where the packets read so far end, seconds."""
        ...

    @property
    def frame_rate(self) -> Fraction:
        """Average frames a second."""
        ...

    @property
    def seekable(self) -> bool:
        """Whether reading can start in the middle."""
        ...

    def frames(self, from_s: Fraction) -> Iterator[SourceFrame]:
        """Decode all frames."""
        ...

    def key_frames(self, from_s: Fraction, every_s: Fraction) -> Iterator[SourceFrame]:
        """Decode the codec's key frames."""
        ...


class Finder(Protocol):
    """Finds cuts: `CutFinder` or `SampleCutter`."""

    context_s: Fraction

    @property
    def context_frames(self) -> int:
        """Frames needed before the first judged one."""
        ...

    @property
    def decided_s(self) -> Fraction:
        """Every cut before this time has been returned."""
        ...

    def push(self, time: Fraction, small: NDArray[np.uint8]) -> list[Fraction]:
        """Take the next frame."""
        ...

    def finish(self) -> list[Fraction]:
        """Return the remaining cuts."""
        ...


@dataclass(slots=True)
class Tally:
    """How reading went.

    Attributes:
        frame_count: Good frames whose time lies in the span; those read before and after it only
            to know its cuts are not counted, so the counts of spans add up to the film's.
        corrupt_count: Damaged frames met within the span.
        end_s: End of the last frame read, seconds.
        reached_end: Whether the film was read to its end.
    """

    frame_count: int = 0
    corrupt_count: int = 0
    end_s: Fraction = Fraction(0)
    reached_end: bool = False


class _TooLittleContextError(Exception):
    """Reading has to start earlier; nothing was given out."""


@dataclass(frozen=True, slots=True)
class _Look:
    """A frame that the finder sees, and whether its picture may become a key frame."""

    frame: SourceFrame
    wanted: bool


def read_shots(
    source: Source,
    sampling: Sampling,
    span: Span,
    tally: Tally,
    on_position: Callable[[Fraction], None],
) -> Iterator[ShotFrames]:
    """Read the shots that start within `span`, in time order.

    Args:
        source: The film.
        sampling: Which frames are looked at.
        span: A shot belongs to the span that holds its start.
        tally: Filled while reading.
        on_position: Called with the time of every frame decoded.
    """
    start = Fraction(span.start_s)
    lead = FIRST_LEAD_S + 2 * Fraction(sampling.interval_s)
    while True:
        from_s = start - lead if start > lead and source.seekable else Fraction(0)
        reading = _Reading(source, sampling, span, tally, on_position)
        try:
            yield from reading.shots(from_s)
            return
        except _TooLittleContextError:
            lead *= 4


class _Reading:
    """One attempt to read a span."""

    def __init__(
        self,
        source: Source,
        sampling: Sampling,
        span: Span,
        tally: Tally,
        on_position: Callable[[Fraction], None],
    ) -> None:
        self._source = source
        self._sampling = sampling
        self._start = Fraction(span.start_s)
        self._end = None if span.end_s is None else Fraction(span.end_s)
        self._tally = tally
        self._on_position = on_position
        self._finder = _finder(source, sampling)
        self._every_frame = sampling.mode == "shots"
        self._shot_start = Fraction(0) if self._start <= 0 else None
        self._waiting: deque[Candidate] = deque()
        self._pool: list[Candidate] | CandidatePool | None = None

    def shots(self, from_s: Fraction) -> Iterator[ShotFrames]:
        """Read from `from_s`; give the span's shots."""
        context = 0
        believed = self._start - self._finder.context_s
        checked = from_s <= 0
        self._tally.frame_count = self._tally.corrupt_count = 0
        for look in self._looks(from_s):
            time = look.frame.time
            if time < believed:
                context += 1
            elif not checked:
                if context < self._finder.context_frames:
                    raise _TooLittleContextError
                checked = True
            cuts = self._finder.push(time, look.frame.small())
            if look.wanted and (self._shot_start is not None or time >= self._start):
                picture = look.frame.picture()
                self._waiting.append(Candidate(time, picture, quality_of(picture)))
            for cut in cuts:
                yield from self._cut(cut)
                if self._is_over(cut):
                    return
            if self._shot_start is None and self._is_over(self._finder.decided_s):
                return
            self._gather(self._finder.decided_s)
        if not checked:
            raise _TooLittleContextError
        self._tally.reached_end = True
        if self._sampling.mode == "keyframes":
            # The frames behind the last key frame were read and not decoded.
            self._tally.end_s = max(self._tally.end_s, self._source.packets_end_s)
        for cut in self._finder.finish():
            yield from self._cut(cut)
            if self._is_over(cut):
                return
        yield from self._cut(self._tally.end_s)

    def _is_over(self, time: Fraction) -> bool:
        return self._end is not None and time >= self._end

    # -- shots -----------------------------------------------------------------------------------

    def _cut(self, time: Fraction) -> Iterator[ShotFrames]:
        """End the open shot at `time` and start the next, where they belong to the span."""
        if time < self._start or (self._start <= 0 and time <= 0):
            return
        self._gather(time)
        if self._shot_start is not None and self._pool is not None:
            yield _shot_frames(self._shot_start, time, self._pool)
        self._shot_start, self._pool = time, None

    def _gather(self, until: Fraction) -> None:
        """Give candidates before `until` to the open shot; without one they are nobody's."""
        while self._waiting and self._waiting[0].time < until:
            candidate = self._waiting.popleft()
            if self._shot_start is None:
                continue
            if self._pool is None:
                self._pool = CandidatePool(self._shot_start) if self._every_frame else []
            if isinstance(self._pool, CandidatePool):
                self._pool.add(candidate)
            else:
                self._pool.append(candidate)

    # -- frames ----------------------------------------------------------------------------------

    def _looks(self, from_s: Fraction) -> Iterator[_Look]:
        """Choose the frames that the sampling looks at."""
        if self._sampling.mode == "keyframes":
            frames = self._source.key_frames(from_s, CODEC_KEYS_EVERY_S)
            return (_Look(frame, True) for frame in self._counted(frames))
        frames = self._counted(self._source.frames(from_s))
        if self._sampling.mode == "interval":
            return self._interval_looks(frames)
        return self._all_looks(frames)

    def _counted(self, frames: Iterator[SourceFrame]) -> Iterator[SourceFrame]:
        """Count frames into the tally and report positions."""
        corrupt, last = self._source.corrupt_count, Fraction(0)
        for frame in frames:
            inside = frame.time >= self._start and not self._is_over(frame.time)
            new, corrupt = self._source.corrupt_count - corrupt, self._source.corrupt_count
            if inside:
                self._tally.frame_count += 1
                self._tally.corrupt_count += new
            shown = frame.duration or (frame.time - last) or NO_DURATION
            last = frame.time
            self._tally.end_s = max(last + min(shown, MAX_LAST_FRAME_S), NO_DURATION)
            self._on_position(frame.time)
            yield frame
        if last >= self._start:
            self._tally.corrupt_count += self._source.corrupt_count - corrupt

    def _all_looks(self, frames: Iterator[SourceFrame]) -> Iterator[_Look]:
        before: Fraction | None = None
        held: SourceFrame | None = None
        for frame in frames:
            if held is not None:
                yield _Look(held, is_candidate(before, held.time, frame.time))
                before = held.time
            held = frame
        if held is not None:
            yield _Look(held, True)

    def _interval_looks(self, frames: Iterator[SourceFrame]) -> Iterator[_Look]:
        """Give, for each multiple of the interval, the frame shown then; none of them twice."""
        every = Fraction(self._sampling.interval_s).limit_denominator(1000)
        held: SourceFrame | None = None
        wanted: Fraction | None = None
        for frame in frames:
            if held is not None and wanted is not None and wanted < frame.time:
                yield _Look(held, True)
                wanted = -(-frame.time // every) * every
            elif wanted is None:
                wanted = -(-frame.time // every) * every
            held = frame
        if held is not None and wanted is not None and wanted < self._tally.end_s:
            yield _Look(held, True)


def _finder(source: Source, sampling: Sampling) -> Finder:
    if sampling.mode == "keyframes":
        return SampleCutter(KEYS_SEAM_S)
    if sampling.mode == "interval":
        every = Fraction(sampling.interval_s).limit_denominator(1000)
        return SampleCutter(INTERVAL_SEAM * every)
    return CutFinder(source.frame_rate)


def _shot_frames(
    start: Fraction, end: Fraction, pool: list[Candidate] | CandidatePool
) -> ShotFrames:
    """Build the shot: here exact times become float seconds."""
    chosen = pool.choose(end) if isinstance(pool, CandidatePool) else pool
    frames = tuple(KeyFrame(float(one.time), one.picture) for one in chosen)
    return ShotFrames(Shot(float(start), float(end)), frames)
