"""A film file as frames with exact times.

Opens and checks a film and gives its frames times; what is read lies in `video/track.py`, what a
frame looks like in `video/frames.py`. Knows nothing of shots, key frames or processes. It runs
inside the decoder's child process (`video/child.py`), never in a worker.
"""

import itertools
from collections.abc import Iterator
from fractions import Fraction

from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from app.domain.films import FilmProbe
from app.errors import FilmTooLong, NoFrames
from app.video.choosing import Chooser
from app.video.frames import Frame, FramePainter, Look, Shown
from app.video.opening import length_of
from app.video.pictures import display_size, plausible_aspect
from app.video.protocol import DecodeLimits
from app.video.track import Track

TIMELESS_FORMATS = ("avi",)
"""Containers that store frames without times; with B-frames the guessed ones can be in disorder."""

TIMES_CHECKED = 16
"""Frames of such a film whose times are looked at: more than any reordering reaches."""

SLIP_S = Fraction(1)
MAX_MENDED = 3
"""A time stamp that falls back by less than this is taken for a slip, so often in a row: the frame
is then shown after the last one."""


class FilmSource:
    """The video track of one film.

    Attributes:
        probe: What the file says of itself.
        disordered_count: Frames left out because time did not go on, by any reading.
    """

    def __init__(self, fd: int, limits: DecodeLimits) -> None:
        """Open the film and decode its first frame.

        Args:
            fd: The film, open for reading.
            limits: What a film may ask for.

        Raises:
            VideoError: It is not a film, or one beyond the limits.
        """
        self._limits = limits
        self._track = track = Track(fd, limits)
        self.disordered_count = 0
        with track.open() as container:
            stream = track.stream_of(container, "SLICE")
            self._aspect = plausible_aspect(stream.sample_aspect_ratio)
            first = self._first_frame(container, stream)
            track.origin = first.pts if first.pts is not None else 0
            track.has_times = first.pts is not None and self._times_grow(container)
            self.probe = self._probe_of(container, stream, first)
        self._painter = FramePainter(self._aspect)
        track.corrupt_count = 0
        track.packets_end_s = Fraction(0)

    @property
    def corrupt_count(self) -> int:
        """Frames found damaged so far, by any reading."""
        return self._track.corrupt_count

    @property
    def damaged_packets(self) -> int:
        """Pieces that the container itself knows to be damaged, by any reading."""
        return self._track.damaged_packets

    @property
    def packets_end_s(self) -> Fraction:
        """Where the packets read so far end; frames may not be decoded yet, or never."""
        return self._track.packets_end_s

    @property
    def frame_rate(self) -> Fraction:
        """Average frames a second as the file says, 25 where it does not."""
        return self._track.frame_rate

    @property
    def seekable(self) -> bool:
        """Whether reading can start in the middle with the same times."""
        return self._track.has_times

    def frames(self, from_s: Fraction) -> Iterator[Frame]:
        """Decode frames in presentation order, times strictly growing.

        Damaged frames are counted and left out.

        Args:
            from_s: Reading starts at a codec key frame at or before this time where the film can
                be sought, else, and for 0, at the beginning. It may start later than asked where
                the container's index is wrong: look at the first time.
        """
        track = self._track
        with track.open() as container:
            stream = track.stream_of(container, "AUTO")
            sought = track.seek(container, stream, from_s)
            frames = track.decoded(container, stream, sought)
            yield from self._presented(self._shown(frames), counted=not track.has_times)

    def chosen_frames(self, from_s: Fraction) -> Iterator[Frame]:
        """Decode only the groups of pictures in which something may happen; hold key frames else.

        Times are those of `frames`. A film whose frames have no times of their own is read whole.

        Args:
            from_s: As for `frames`.
        """
        if not self._track.has_times:
            yield from self.frames(from_s)
            return
        chosen = Chooser(self._track, self._painter).frames(from_s)
        yield from self._presented(chosen, counted=False)

    def key_frames(self, from_s: Fraction, every_s: Fraction) -> Iterator[Frame]:
        """Decode only the codec's own key frames, the first in each stretch of `every_s`.

        Each is decoded by itself (not by `skip_frame`, which VP9 ignores), so a key frame looks
        the same wherever reading starts.

        Args:
            from_s: As for `frames`.
            every_s: Films of key frames only would else be read whole.
        """
        track = self._track
        with track.open() as container:
            stream = track.stream_of(container, "SLICE")
            sought = track.seek(container, stream, from_s)
            keys = track.decoded_keys(container, stream, every_s, sought)
            yield from self._presented(self._shown(keys), counted=False)

    # -- opening ---------------------------------------------------------------------------------

    def _first_frame(self, container: InputContainer, stream: VideoStream) -> VideoFrame:
        for frame in self._track.decoded(container, stream, sought=False):
            return frame
        self._track.check_refused_size()
        raise NoFrames(
            "not one frame can be decoded; the file may be damaged, cut off or encrypted"
        )

    def _times_grow(self, container: InputContainer) -> bool:
        """Tell whether a container without presentation times was given the right ones."""
        if container.format.name not in TIMELESS_FORMATS:
            return True
        track = self._track
        with track.open() as again:
            frames = track.decoded(again, track.stream_of(again, "SLICE"), sought=False)
            times = [frame.pts for frame in itertools.islice(frames, TIMES_CHECKED)]
        return all(
            one is not None and other is not None and one < other
            for one, other in itertools.pairwise(times)
        )

    def _probe_of(
        self, container: InputContainer, stream: VideoStream, first: VideoFrame
    ) -> FilmProbe:
        width, height = display_size(first.width, first.height, self._aspect)
        rotation = -round(first.rotation / 90) * 90 % 360
        if rotation in {90, 270}:
            width, height = height, width
        duration = length_of(container, stream, self._track.origin * self._track.time_base)
        rate = self._track.rate
        return FilmProbe(
            duration_s=None if duration is None else float(duration),
            width_px=width,
            height_px=height,
            frame_rate=None if rate is None else float(rate),
            codec=stream.codec_context.codec.name,
            container=container.format.name.partition(",")[0],
            rotation_deg=rotation,
        )

    # -- times -----------------------------------------------------------------------------------

    def _shown(self, frames: Iterator[VideoFrame]) -> Iterator[Shown]:
        for raw in frames:
            yield Shown(raw.pts, raw.duration, Look(raw, self._painter))

    def _presented(self, frames: Iterator[Shown], counted: bool) -> Iterator[Frame]:
        """Give frames their times, or count them; leave out those that do not go on."""
        time_base, origin = self._track.time_base, self._track.origin
        last: Fraction | None = None
        mended = 0
        for shown in frames:
            self._track.check_pixels(shown.look.raw.width, shown.look.raw.height)
            duration = shown.duration * time_base if shown.duration > 0 else None
            if shown.pts is not None and not counted:
                time = (shown.pts - origin) * time_base
            else:
                time = Fraction(0) if last is None else last + 1 / self.frame_rate
            if last is not None and last - SLIP_S < time <= last and mended < MAX_MENDED:
                time, mended = last + (duration or 1 / self.frame_rate), mended + 1
            elif time < 0 or (last is not None and time <= last):
                self.disordered_count += 1
                continue
            else:
                mended = 0
            if time > self._limits.max_duration_s:
                raise FilmTooLong(
                    f"it has frames at {float(time):.0f} seconds; "
                    f"{self._limits.max_duration_s:.0f} are allowed"
                )
            last = time
            yield Frame(time, duration, shown.look, shown.held)
