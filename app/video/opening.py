"""What the header of a film tells: which track is the film, how long it lasts, what it is not.

Stateless helpers of `video/track.py`; imports PyAV and decodes nothing.
"""

import os
from fractions import Fraction

import av
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from app.errors import NoFrames, NotAVideo, NoVideoTrack, UnsupportedVideo

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

NO_RATE = Fraction(25)
"""Frame rate where nothing tells it."""


def film_stream(container: InputContainer) -> VideoStream:
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


def duration_of(container: InputContainer, stream: VideoStream) -> Fraction | None:
    """Seconds of the video track, else of the file; None where neither is told."""
    if stream.duration and stream.duration > 0 and stream.time_base:
        return stream.duration * stream.time_base
    if container.duration and container.duration > 0:
        return Fraction(container.duration, av.time_base)
    return None


def length_of(container: InputContainer, stream: VideoStream, start: Fraction) -> Fraction | None:
    """Seconds from the first presented frame, at `start`, to the end."""
    duration = duration_of(container, stream)
    # Matroska tells where the film ends, others how long it lasts.
    if duration is not None and "matroska" in container.format.name and 0 < start < duration:
        return duration - start
    return duration


def plausible_rate(stream: VideoStream) -> Fraction | None:
    """Frames a second as the file says; None where that cannot be."""
    for rate in (stream.average_rate, stream.guessed_rate):
        if rate and 0 < rate <= MAX_FRAME_RATE:
            return Fraction(rate)
    return None


def opening_error(fd: int, exc: Exception) -> NotAVideo | NoFrames | UnsupportedVideo:
    """Say why the file cannot be opened, from its first bytes."""
    if isinstance(exc, av.error.MemoryError):
        return memory_error()
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


def memory_error() -> UnsupportedVideo:
    """Say that decoding took too much memory."""
    return UnsupportedVideo("decoding it needs more memory than is allowed")
