"""A film file as frames with exact times: the only file that imports PyAV.

Opens, checks, seeks and decodes one video track. Knows nothing of shots, key frames or processes.
It runs inside the decoder's child process (`video/child.py`), never in a worker.
"""

import itertools
import os
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

import av
import numpy as np
from av.container import InputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.sidedata.sidedata import Type as SideDataType
from av.stream import Disposition
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter
from av.video.stream import VideoStream
from numpy.typing import NDArray

from app.domain.films import FilmProbe
from app.errors import (
    FilmTooLong,
    NoFrames,
    NotAVideo,
    NoVideoTrack,
    PictureTooLarge,
    UnsupportedVideo,
)
from app.video.pictures import (
    AS_STORED,
    Matrix,
    display_size,
    key_frame_size,
    plausible_aspect,
    upright,
)
from app.video.protocol import DecodeLimits

FILM_FORMATS = (
    "mov", "matroska", "webm", "avi", "mpegts", "mpeg", "flv", "asf", "ogg", "mxf", "nut", "dv",
    "rm", "wtv", "gxf",
)  # fmt: skip
"""Containers that hold a film and nothing else. Playlists (hls, dash, concat, sdp) are left out:
they open other files and addresses; picture formats (image2, gif) are no films."""

AUDIO_FORMATS = ("mp3", "wav", "flac", "aac")
"""Recognised only to say that the file is audio."""

STILL_BRANDS = ("avif", "heic", "heix", "mif1", "msf1", "jpeg")
"""Pictures in a film container. Source: ISO/IEC 23008-12, brands of image files."""

MAX_STREAMS = 64
MAX_FRAME_RATE = 1000
"""A header that says more is not believed."""

MAX_READ_ERRORS = 16
"""Failed reads one after another after which the rest of the file is given up."""

MAX_THREADS = 8
"""Each thread of the decoder holds a frame of its own."""

TIMELESS_FORMATS = ("avi",)
"""Containers that store frames without times; with B-frames the guessed ones can be in disorder."""

TIMES_CHECKED = 16
"""Frames of such a film whose times are looked at: more than any reordering reaches."""

SLIP_S = Fraction(1)
MAX_MENDED = 3
"""A time stamp that falls back by less than this is taken for a slip, so often in a row: the frame
is then shown after the last one."""

SMALL_WIDTH_PX, SMALL_HEIGHT_PX = 48, 27
"""Small frame that shots are found on; averaging so much makes noise vanish."""

HD_HEIGHT_PX = 720
"""Pictures from this height on are BT.709 where the file does not say. Source: ITU-R BT.709."""

NO_RATE = Fraction(25)
"""Frame rate where nothing tells it."""


@dataclass(slots=True)
class Frame:
    """One presented frame.

    Attributes:
        time: Seconds from the first presented frame.
        duration: Seconds it is shown, as the file says; None where it does not.
    """

    time: Fraction
    duration: Fraction | None
    _raw: VideoFrame
    _source: "FilmSource"

    def small(self) -> NDArray[np.uint8]:
        """Return `(3, 27, 48)` uint8 Y, U, V; not turned upright."""
        return self._source._small_of(self._raw)

    def picture(self) -> NDArray[np.uint8]:
        """Return `(height, width, 3)` uint8 RGB, upright, square pixels, long side at most 640."""
        return self._source._picture_of(self._raw)


class FilmSource:
    """The video track of one film.

    Attributes:
        probe: What the file says of itself.
        corrupt_count: Frames found damaged so far, by any reading.
        disordered_count: Frames left out because time did not go on, by any reading.
        damaged_packets: Pieces that the container itself knows to be damaged, by any reading.
        packets_end_s: Where the packets read so far end; frames may not be decoded yet, or never.
    """

    def __init__(self, fd: int, limits: DecodeLimits) -> None:
        """Open the film and decode its first frame.

        Args:
            fd: The film, open for reading.
            limits: What a film may ask for.

        Raises:
            VideoError: It is not a film, or one beyond the limits.
        """
        # By descriptor, so that no name is ever parsed as an address or an option.
        self._url = f"file:/dev/fd/{fd}"
        self._fd = fd
        self._limits = limits
        self.corrupt_count = 0
        self.disordered_count = 0
        self.damaged_packets = 0
        self.packets_end_s = Fraction(0)
        self._small = VideoReformatter()
        self._picture = VideoReformatter()
        with self._open() as container:
            stream = _film_stream(container)
            self._stream_index = stream.index
            self._check_header(container, stream)
            self._time_base = stream.time_base or Fraction(1, 90_000)
            self._rate = _plausible_rate(stream)
            self._aspect = plausible_aspect(stream.sample_aspect_ratio)
            self._origin = 0
            first = self._first_frame(container, stream)
            self._origin = first.pts if first.pts is not None else 0
            self._has_times = first.pts is not None and self._times_grow(container)
            self.probe = self._probe_of(container, stream, first)
        self.corrupt_count = 0
        self.packets_end_s = Fraction(0)

    @property
    def frame_rate(self) -> Fraction:
        """Average frames a second as the file says, 25 where it does not."""
        return self._rate or NO_RATE

    @property
    def seekable(self) -> bool:
        """Whether reading can start in the middle with the same times."""
        return self._has_times

    def frames(self, from_s: Fraction) -> Iterator[Frame]:
        """Decode frames in presentation order, times strictly growing.

        Damaged frames are counted and left out.

        Args:
            from_s: Reading starts at a codec key frame at or before this time where the film can
                be sought, else, and for 0, at the beginning. It may start later than asked where
                the container's index is wrong: look at the first time.
        """
        with self._open() as container:
            stream = self._stream_of(container, "AUTO")
            sought = self._seek(container, stream, from_s)
            frames = self._decoded(container, stream, sought)
            yield from self._presented(frames, counted=not self._has_times)

    def key_frames(self, from_s: Fraction, every_s: Fraction) -> Iterator[Frame]:
        """Decode only the codec's own key frames, the first in each stretch of `every_s`.

        Each is decoded by itself (not by `skip_frame`, which VP9 ignores), so a key frame looks
        the same wherever reading starts.

        Args:
            from_s: As for `frames`.
            every_s: Films of key frames only would else be read whole.
        """
        with self._open() as container:
            stream = self._stream_of(container, "SLICE")
            sought = self._seek(container, stream, from_s)
            keys = self._decoded_keys(container, stream, every_s, sought)
            yield from self._presented(keys, counted=False)

    # -- opening ---------------------------------------------------------------------------------

    def _open(self, decoder_options: dict[str, str] | None = None) -> InputContainer:
        if decoder_options is None:
            decoder_options = {"max_pixels": str(self._limits.max_pixels)}
        options = {
            "format_whitelist": ",".join(FILM_FORMATS + AUDIO_FORMATS),
            "protocol_whitelist": "file",
            **decoder_options,
        }
        try:
            return av.open(self._url, "r", options=options, metadata_errors="replace")
        except (FFmpegError, ValueError) as exc:
            raise _opening_error(self._fd, exc) from exc

    def _stream_of(self, container: InputContainer, thread_type: str) -> VideoStream:
        if self._stream_index >= len(container.streams):
            raise UnsupportedVideo("the file changed while it was read")
        stream = container.streams[self._stream_index]
        if not isinstance(stream, VideoStream):
            raise UnsupportedVideo("the file changed while it was read")
        stream.thread_type = thread_type
        stream.codec_context.thread_count = min(os.cpu_count() or 1, MAX_THREADS)
        stream.codec_context.options = {"max_pixels": str(self._limits.max_pixels)}
        return stream

    def _check_header(self, container: InputContainer, stream: VideoStream) -> None:
        context = stream.codec_context
        for width, height in (
            (stream.width, stream.height), (context.coded_width, context.coded_height),
        ):  # fmt: skip
            self._check_pixels(width, height)
        duration = _duration_of(container, stream)
        if duration is not None and duration > self._limits.max_duration_s:
            raise FilmTooLong(
                f"it lasts {float(duration):.0f} seconds; "
                f"{self._limits.max_duration_s:.0f} are allowed"
            )

    def _check_pixels(self, width: int, height: int) -> None:
        if width * height > self._limits.max_pixels:
            raise PictureTooLarge(
                f"its pictures are {width} x {height}; {self._limits.max_pixels} pixels are allowed"
            )

    def _first_frame(self, container: InputContainer, stream: VideoStream) -> VideoFrame:
        stream = self._stream_of(container, "SLICE")
        for frame in self._decoded(container, stream, sought=False):
            return frame
        self._check_refused_size()
        raise NoFrames(
            "not one frame can be decoded; the file may be damaged, cut off or encrypted"
        )

    def _check_refused_size(self) -> None:
        """Say so where it was the pixel limit that stopped decoding; it leaves no size."""
        with self._open({}) as container:
            stream = container.streams[self._stream_index]
            if isinstance(stream, VideoStream):
                self._check_header(container, stream)

    def _times_grow(self, container: InputContainer) -> bool:
        """Tell whether a container without presentation times was given the right ones."""
        if container.format.name not in TIMELESS_FORMATS:
            return True
        with self._open() as again:
            frames = self._decoded(again, self._stream_of(again, "SLICE"), sought=False)
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
        duration = _length_of(container, stream, self._origin * self._time_base)
        return FilmProbe(
            duration_s=None if duration is None else float(duration),
            width_px=width,
            height_px=height,
            frame_rate=None if self._rate is None else float(self._rate),
            codec=stream.codec_context.codec.name,
            container=container.format.name.partition(",")[0],
            rotation_deg=rotation,
        )

    # -- reading ---------------------------------------------------------------------------------

    def _seek(self, container: InputContainer, stream: VideoStream, from_s: Fraction) -> bool:
        if from_s <= 0 or not self.seekable:
            return False
        target = self._origin + int(from_s / self._time_base)
        try:
            container.seek(target, stream=stream, backward=True)
        except FFmpegError:
            return False
        return True

    def _packets(
        self, container: InputContainer, stream: VideoStream
    ) -> "Iterator[Packet[VideoStream]]":
        """Read packets to the end, going on after damage."""
        errors = 0
        while errors < MAX_READ_ERRORS:
            try:
                for packet in container.demux(stream):
                    errors = 0
                    self.damaged_packets += packet.is_corrupt
                    if packet.pts is not None:
                        end = (packet.pts - self._origin + (packet.duration or 0)) * self._time_base
                        self.packets_end_s = max(self.packets_end_s, end)
                    yield packet
                return
            except av.error.MemoryError as exc:
                raise _memory_error() from exc
            except FFmpegError:
                errors += 1
                self.corrupt_count += 1

    def _decode(
        self, stream: VideoStream, packet: "Packet[VideoStream] | None"
    ) -> list[VideoFrame]:
        """Decode one packet; None empties the decoder. Damage is counted, not raised."""
        try:
            return stream.codec_context.decode(packet)
        except (av.error.MemoryError, MemoryError) as exc:
            raise _memory_error() from exc
        except av.error.EOFError:
            return []
        except av.error.PatchWelcomeError as exc:
            raise UnsupportedVideo(f"its {stream.codec_context.name} pictures: {exc}") from exc
        except FFmpegError:
            self.corrupt_count += 1
            return []

    def _decoded(
        self, container: InputContainer, stream: VideoStream, sought: bool
    ) -> Iterator[VideoFrame]:
        """Decode all; after seeking nothing before a key packet, whose references are missing."""
        floor: int | None = None
        for packet in self._packets(container, stream):
            if sought and floor is None:
                if packet.pts is None or not packet.is_keyframe:
                    continue
                floor = packet.pts
            empty = packet.size == 0 and packet.dts is None
            for frame in self._decode(stream, None if empty else packet):
                if floor is not None and frame.pts is not None and frame.pts < floor:
                    continue
                if frame.is_corrupt:
                    self.corrupt_count += 1
                else:
                    yield frame

    def _decoded_keys(
        self, container: InputContainer, stream: VideoStream, every_s: Fraction, sought: bool
    ) -> Iterator[VideoFrame]:
        taken: int | None = None
        for number, packet in enumerate(self._packets(container, stream)):
            if not packet.is_keyframe or packet.is_discard or not packet.size:
                continue
            if not self._has_times:
                packet.pts = self._origin + round(number / self.frame_rate / self._time_base)
            if packet.pts is not None:
                stretch = (packet.pts - self._origin) * self._time_base // every_s
                if sought and taken is None:
                    taken = stretch  # may have begun before the place that was sought
                if stretch == taken:
                    continue
                taken = stretch
            frames = self._decode(stream, packet) + self._decode(stream, None)
            stream.codec_context.flush_buffers()
            for frame in frames[:1]:
                if frame.is_corrupt:
                    self.corrupt_count += 1
                else:
                    yield frame

    def _presented(self, frames: Iterator[VideoFrame], counted: bool) -> Iterator[Frame]:
        """Give frames their times, or count them; leave out those that do not go on."""
        last: Fraction | None = None
        mended = 0
        for raw in frames:
            self._check_pixels(raw.width, raw.height)
            duration = raw.duration * self._time_base if raw.duration > 0 else None
            if raw.pts is not None and not counted:
                time = (raw.pts - self._origin) * self._time_base
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
            yield Frame(time, duration, raw, self)

    # -- pictures --------------------------------------------------------------------------------

    def _small_of(self, raw: VideoFrame) -> NDArray[np.uint8]:
        small = self._small.reformat(
            raw, SMALL_WIDTH_PX, SMALL_HEIGHT_PX, "yuv444p",
            interpolation=Interpolation.AREA, dst_color_range=ColorRange.MPEG, threads=1,
        )  # fmt: skip
        return np.asarray(small.to_ndarray(), np.uint8).reshape(3, SMALL_HEIGHT_PX, SMALL_WIDTH_PX)

    def _picture_of(self, raw: VideoFrame) -> NDArray[np.uint8]:
        width, height = key_frame_size(raw.width, raw.height, self._aspect)
        untold = raw.colorspace == Colorspace.DEFAULT or raw.colorspace == 2
        picture = self._picture.reformat(
            raw, width, height, "rgb24",
            src_colorspace=Colorspace.ITU709 if untold and raw.height >= HD_HEIGHT_PX else None,
            interpolation=Interpolation.AREA, threads=1,
        )  # fmt: skip
        return upright(np.asarray(picture.to_ndarray(), np.uint8), _display_matrix(raw))


def _film_stream(container: InputContainer) -> VideoStream:
    """Choose the track that is the film."""
    if container.format.name in AUDIO_FORMATS:
        raise NoVideoTrack(f"this is audio ({container.format.name}); send a film with pictures")
    if len(container.streams) > MAX_STREAMS:
        raise UnsupportedVideo(f"it has {len(container.streams)} tracks; {MAX_STREAMS} are allowed")
    if container.metadata.get("major_brand", "").strip().lower() in STILL_BRANDS:
        raise NoVideoTrack("this is a picture, not a film")
    tracks = list(container.streams.video)
    if not tracks:
        raise NoVideoTrack("it has no picture track, only sound or data; send a film with pictures")
    stills = Disposition.attached_pic | Disposition.timed_thumbnails | Disposition.still_image
    tracks = [track for track in tracks if not track.disposition & stills]
    if not tracks:
        raise NoVideoTrack("its only picture is cover art; send a film with moving pictures")
    # A track without a decoder has no context at all.
    known = [track for track in tracks if track.codec_context is not None]
    if not known:
        raise UnsupportedVideo("there is no decoder for its pictures; convert it, to H.264 say")
    return max(
        known,
        key=lambda track: (
            bool(track.disposition & Disposition.default), track.width * track.height, -track.index,
        ),
    )  # fmt: skip


def _duration_of(container: InputContainer, stream: VideoStream) -> Fraction | None:
    """Seconds of the video track, else of the file; None where neither is told."""
    if stream.duration and stream.duration > 0 and stream.time_base:
        return stream.duration * stream.time_base
    if container.duration and container.duration > 0:
        return Fraction(container.duration, av.time_base)
    return None


def _length_of(container: InputContainer, stream: VideoStream, start: Fraction) -> Fraction | None:
    """Seconds from the first presented frame, at `start`, to the end."""
    duration = _duration_of(container, stream)
    # Matroska tells where the film ends, others how long it lasts.
    if duration is not None and "matroska" in container.format.name and 0 < start < duration:
        return duration - start
    return duration


def _plausible_rate(stream: VideoStream) -> Fraction | None:
    for rate in (stream.average_rate, stream.guessed_rate):
        if rate and 0 < rate <= MAX_FRAME_RATE:
            return Fraction(rate)
    return None


def _display_matrix(raw: VideoFrame) -> Matrix:
    # By type: PyAV declares its side data with keys that it does not have.
    content = raw.side_data.get(SideDataType.DISPLAYMATRIX)  # type: ignore[call-overload]
    if content is None:
        return AS_STORED
    found = np.frombuffer(bytes(content), np.int32)
    return int(found[0]), int(found[1]), int(found[3]), int(found[4])


def _opening_error(fd: int, exc: Exception) -> NotAVideo | NoFrames | UnsupportedVideo:
    """Say why the file cannot be opened, from its first bytes."""
    if isinstance(exc, av.error.MemoryError):
        return _memory_error()
    head = os.pread(fd, 64, 0)
    if not head:
        return NotAVideo("the file is empty")
    if head[4:8] in {b"ftyp", b"mdat", b"wide", b"free"}:
        return NoFrames(
            "the file's index is missing: it was cut off, in copying or in recording; send it whole"
        )
    return NotAVideo(
        "no film format is recognised in it; send MP4, MKV, WebM, AVI, MPEG or the like"
    )


def _memory_error() -> UnsupportedVideo:
    return UnsupportedVideo("decoding it needs more memory than is allowed")
