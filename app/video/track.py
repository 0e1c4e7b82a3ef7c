"""One track of a film as packets and raw frames, with what a damaged file costs counted.

Opens, seeks, demuxes and decodes by PyAV. Knows no presented times, no shots and no key frames of
ours; `video/source.py` gives what is read here its times.
"""

import os
from collections.abc import Iterator
from fractions import Fraction

import av
from av.container import InputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from app.errors import FilmTooLong, PictureTooLarge, UnsupportedVideo
from app.video.opening import (
    AUDIO_FORMATS,
    FILM_FORMATS,
    NO_RATE,
    duration_of,
    film_stream,
    memory_error,
    opening_error,
    plausible_rate,
)
from app.video.protocol import DecodeLimits

MAX_READ_ERRORS = 16
"""Failed reads one after another after which the rest of the file is given up."""

MAX_THREADS = 8
"""Each thread of the decoder holds a frame of its own."""


class Track:
    """The video track of one film, open for as many readings as are asked for.

    Attributes:
        time_base: Seconds of one unit of a stamp.
        rate: Plausible frames a second; None where the file does not say.
        origin: Stamp of the first presented frame; 0 until that is known.
        has_times: Whether stamps can be believed; reading can then start in the middle.
        corrupt_count: Frames found damaged so far, by any reading.
        damaged_packets: Pieces that the container itself knows to be damaged, by any reading.
        packets_end_s: Where the packets read so far end; frames may not be decoded yet, or never.
    """

    def __init__(self, fd: int, limits: DecodeLimits) -> None:
        """Choose the track and check its header.

        Raises:
            VideoError: The file is not a film, or one beyond the limits.
        """
        # By descriptor, so that no name is ever parsed as an address or an option.
        self._url = f"file:/dev/fd/{fd}"
        self._fd = fd
        self._limits = limits
        self.corrupt_count = 0
        self.damaged_packets = 0
        self.packets_end_s = Fraction(0)
        self.origin = 0
        self.has_times = True
        with self.open() as container:
            stream = film_stream(container)
            self.stream_index = stream.index
            self.check_header(container, stream)
            self.time_base = stream.time_base or Fraction(1, 90_000)
            self.rate = plausible_rate(stream)

    @property
    def frame_rate(self) -> Fraction:
        """Average frames a second as the file says, 25 where it does not."""
        return self.rate or NO_RATE

    # -- opening ---------------------------------------------------------------------------------

    def open(self, decoder_options: dict[str, str] | None = None) -> InputContainer:
        """Open the film anew; by default no picture beyond the limits is decoded."""
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
            raise opening_error(self._fd, exc) from exc

    def stream_of(self, container: InputContainer, thread_type: str) -> VideoStream:
        """Return the film's track with its decoder set up; `thread_type` as PyAV has it."""
        if self.stream_index >= len(container.streams):
            raise UnsupportedVideo("the file changed while it was read")
        stream = container.streams[self.stream_index]
        if not isinstance(stream, VideoStream):
            raise UnsupportedVideo("the file changed while it was read")
        stream.thread_type = thread_type
        stream.codec_context.thread_count = min(os.cpu_count() or 1, MAX_THREADS)
        stream.codec_context.options = {"max_pixels": str(self._limits.max_pixels)}
        return stream

    def check_header(self, container: InputContainer, stream: VideoStream) -> None:
        """Refuse pictures that are too large and films that are too long."""
        context = stream.codec_context
        for width, height in (
            (stream.width, stream.height), (context.coded_width, context.coded_height),
        ):  # fmt: skip
            self.check_pixels(width, height)
        duration = duration_of(container, stream)
        if duration is not None and duration > self._limits.max_duration_s:
            raise FilmTooLong(
                f"it lasts {float(duration):.0f} seconds; "
                f"{self._limits.max_duration_s:.0f} are allowed"
            )

    def check_pixels(self, width: int, height: int) -> None:
        """Refuse pictures that are too large."""
        if width * height > self._limits.max_pixels:
            raise PictureTooLarge(
                f"its pictures are {width} x {height}; {self._limits.max_pixels} pixels are allowed"
            )

    def check_refused_size(self) -> None:
        """Say so where it was the pixel limit that stopped decoding; it leaves no size."""
        with self.open({}) as container:
            stream = container.streams[self.stream_index]
            if isinstance(stream, VideoStream):
                self.check_header(container, stream)

    # -- reading ---------------------------------------------------------------------------------

    def seek(self, container: InputContainer, stream: VideoStream, from_s: Fraction) -> bool:
        """Go to a codec key frame at or before `from_s`; tell whether that was done."""
        if from_s <= 0 or not self.has_times:
            return False
        target = self.origin + int(from_s / self.time_base)
        try:
            container.seek(target, stream=stream, backward=True)
        except FFmpegError:
            return False
        return True

    def packets(
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
                        end = (packet.pts - self.origin + (packet.duration or 0)) * self.time_base
                        self.packets_end_s = max(self.packets_end_s, end)
                    yield packet
                return
            except av.error.MemoryError as exc:
                raise memory_error() from exc
            except FFmpegError:
                errors += 1
                self.corrupt_count += 1

    def decode(self, stream: VideoStream, packet: "Packet[VideoStream] | None") -> list[VideoFrame]:
        """Decode one packet; None empties the decoder. Damage is counted, not raised."""
        try:
            return stream.codec_context.decode(packet)
        except (av.error.MemoryError, MemoryError) as exc:
            raise memory_error() from exc
        except av.error.EOFError:
            return []
        except av.error.PatchWelcomeError as exc:
            raise UnsupportedVideo(f"its {stream.codec_context.name} pictures: {exc}") from exc
        except FFmpegError:
            self.corrupt_count += 1
            return []

    def decoded(
        self, container: InputContainer, stream: VideoStream, sought: bool
    ) -> Iterator[VideoFrame]:
        """Decode all; after seeking nothing before a key packet, whose references are missing."""
        floor: int | None = None
        for packet in self.packets(container, stream):
            if sought and floor is None:
                if packet.pts is None or not packet.is_keyframe:
                    continue
                floor = packet.pts
            empty = packet.size == 0 and packet.dts is None
            for frame in self.decode(stream, None if empty else packet):
                if floor is not None and frame.pts is not None and frame.pts < floor:
                    continue
                if frame.is_corrupt:
                    self.corrupt_count += 1
                else:
                    yield frame

    def decoded_keys(
        self, container: InputContainer, stream: VideoStream, every_s: Fraction, sought: bool
    ) -> Iterator[VideoFrame]:
        """Decode each codec key frame by itself, the first in each stretch of `every_s`."""
        taken: int | None = None
        for number, packet in enumerate(self.packets(container, stream)):
            if not packet.is_keyframe or packet.is_discard or not packet.size:
                continue
            if not self.has_times:
                packet.pts = self.origin + round(number / self.frame_rate / self.time_base)
            if packet.pts is not None:
                stretch = (packet.pts - self.origin) * self.time_base // every_s
                if sought and taken is None:
                    taken = stretch  # may have begun before the place that was sought
                if stretch == taken:
                    continue
                taken = stretch
            frames = self.decode(stream, packet) + self.decode(stream, None)
            stream.codec_context.flush_buffers()
            for frame in frames[:1]:
                if frame.is_corrupt:
                    self.corrupt_count += 1
                else:
                    yield frame
