"""Files that are no films, or broken ones: each function writes one at the path it is given.

Knows container bytes just enough to break them.
"""

import struct
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np

from tests.media import DrawnShot, Encoding, draw_film

SHOTS = [DrawnShot(2.0, "shapes", seed) for seed in range(6)]
"""Twelve seconds, long enough that damage can spare a part."""


def empty(path: Path) -> None:
    """No byte."""
    path.write_bytes(b"")


def text(path: Path) -> None:
    """Words."""
    path.write_text("This is not a film. " * 200, encoding="utf-8")


def noise(path: Path) -> None:
    """Random bytes."""
    path.write_bytes(np.random.default_rng(1).bytes(200_000))


def archive(path: Path) -> None:
    """The head of a ZIP archive."""
    path.write_bytes(b"PK\x03\x04" + bytes(5000))


def audio_only(path: Path) -> None:
    """Sound in a film container."""
    with av.open(str(path), "w", format="mp4") as container:
        _add_sound(container, "aac")


def sound_file(path: Path) -> None:
    """A sound file, MP3."""
    with av.open(str(path), "w", format="mp3") as container:
        _add_sound(container, "libmp3lame")


def cover_art(path: Path) -> None:
    """Sound with an attached picture, as music shops sell it."""
    with av.open(str(path), "w", format="mp4") as container:
        cover = container.add_stream("mjpeg", rate=25)
        cover.width = cover.height = 64
        cover.pix_fmt = "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic
        sound = container.add_stream("aac", rate=44_100)
        picture = av.VideoFrame.from_ndarray(np.full((64, 64, 3), 90, np.uint8), format="rgb24")
        container.mux(cover.encode(picture.reformat(format="yuvj420p")))
        container.mux(cover.encode())
        _encode_sound(container, sound)


def still_picture(path: Path) -> None:
    """A JPEG picture."""
    with av.open(str(path), "w", format="image2", options={"update": "1"}) as container:
        stream = container.add_stream("mjpeg", rate=1)
        stream.width = stream.height = 64
        stream.pix_fmt = "yuvj420p"
        picture = av.VideoFrame.from_ndarray(np.full((64, 64, 3), 90, np.uint8), format="rgb24")
        container.mux(stream.encode(picture.reformat(format="yuvj420p")))
        container.mux(stream.encode())


def gif(path: Path) -> None:
    """A moving GIF."""
    with av.open(str(path), "w", format="gif") as container:
        stream = container.add_stream("gif", rate=10)
        stream.width = stream.height = 64
        stream.pix_fmt = "rgb8"
        for level in (20, 120, 220):
            picture = np.full((64, 64, 3), level, np.uint8)
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            container.mux(stream.encode(frame.reformat(format="rgb8")))
        container.mux(stream.encode())


def playlist(path: Path, target: Path) -> None:
    """An HLS playlist that names another local file."""
    lines = ["#EXTM3U", "#EXT-X-TARGETDURATION:10", "#EXTINF:10,", str(target), "#EXT-X-ENDLIST"]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def concat_list(path: Path, target: Path) -> None:
    """A concat script that names another local file."""
    path.write_text(f"ffconcat version 1.0\nfile '{target}'\n", encoding="utf-8")


def session_description(path: Path, _target: Path) -> None:
    """An SDP file, which makes a careless decoder wait for packets from the network."""
    path.write_text(
        "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\n"
        "m=video 5004 RTP/AVP 96\na=rtpmap:96 H264/90000\n",
        encoding="utf-8",
    )


def one_frame(path: Path) -> None:
    """A film of a single frame."""
    draw_film(path, [DrawnShot(0.04, "shapes", 1)], Encoding())


def truncated_index_first(path: Path) -> None:
    """The first half of an MP4 whose index stands at its beginning."""
    draw_film(path, SHOTS, Encoding(container_options={"movflags": "faststart"}))
    _keep_share(path, 0.5)


def truncated_index_last(path: Path) -> None:
    """The first half of an MP4 whose index stood at its end."""
    draw_film(path, SHOTS, Encoding())
    _keep_share(path, 0.5)


def truncated_matroska(path: Path) -> None:
    """The first half of a Matroska file."""
    draw_film(path, SHOTS, Encoding())
    _keep_share(path, 0.5)


def corrupt_middle(path: Path) -> None:
    """Noise over a sixth of an MPEG transport stream, in its middle."""
    draw_film(path, SHOTS, Encoding())
    _overwrite(path, 0.45, 0.6)


def corrupt_all(path: Path) -> None:
    """A film whose pictures are noise behind a good index."""
    draw_film(path, SHOTS, Encoding(container_options={"movflags": "faststart"}))
    content = path.read_bytes()
    # The first frame stays, so that the file is a film; nothing else does.
    _overwrite(path, (content.index(b"mdat") + 12_000) / len(content), 1.0)


def huge_picture(path: Path) -> None:
    """A small file whose pictures have 16384 x 8192 pixels."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("png", rate=1)
        stream.width, stream.height, stream.pix_fmt = 16_384, 8192, "gray"
        frame = av.VideoFrame(16_384, 8192, "gray")
        np.frombuffer(frame.planes[0], np.uint8)[:] = 0
        container.mux(stream.encode(frame))
        container.mux(stream.encode())


def lying_size(path: Path) -> None:
    """An MP4 whose header declares small pictures while the bitstream has larger ones."""
    draw_film(path, SHOTS[:1], Encoding(size=(640, 360)))
    content = bytearray(path.read_bytes())
    sample = content.index(b"avc1") + 4
    content[sample + 24 : sample + 28] = struct.pack(">HH", 64, 36)
    path.write_bytes(content)


WHOLE_FILES: dict[str, Callable[[Path], None]] = {
    function.__name__: function
    for function in (
        empty, text, noise, archive, audio_only, sound_file, cover_art, still_picture, gif,
    )
}  # fmt: skip
"""What is no film at all."""

POINTERS: dict[str, Callable[[Path, Path], None]] = {
    function.__name__: function for function in (playlist, concat_list, session_description)
}
"""Text that makes careless decoders open something else."""


def _keep_share(path: Path, share: float) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])


def _overwrite(path: Path, start: float, end: float) -> None:
    content = bytearray(path.read_bytes())
    first, last = int(len(content) * start), int(len(content) * end)
    content[first:last] = np.random.default_rng(2).bytes(last - first)
    path.write_bytes(content)


def _add_sound(container: av.container.OutputContainer, codec: str) -> None:
    _encode_sound(container, container.add_stream(codec, rate=44_100))


def _encode_sound(container: av.container.OutputContainer, sound: av.AudioStream) -> None:
    for block in range(40):
        wave = np.sin(np.arange(block * 1152, (block + 1) * 1152) / 20).astype(np.float32) / 10
        frame = av.AudioFrame.from_ndarray(wave[None], format="fltp", layout="mono")
        frame.sample_rate, frame.pts = 44_100, block * 1152
        container.mux(sound.encode(frame))
    container.mux(sound.encode())
