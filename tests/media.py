"""Draws and encodes the films that tests look at: no media lies in the repository.

`draw_film` makes a film whose cuts, fades and dissolves are known; `sample_film` the one that
`make demo` uploads. Films for single defects are in `tests/broken_media.py`. Knows PyAV and the
painters; nothing of the service.
"""

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from tests import themes
from tests.themes import Painter, Picture

DEFAULT_OPTIONS: dict[str, dict[str, str]] = {
    "libx264": {"preset": "veryfast", "crf": "20"},
    "libx265": {"preset": "ultrafast", "crf": "22", "x265-params": "log-level=none"},
    "libvpx": {"deadline": "realtime", "cpu-used": "8", "b": "1500000"},
    "libvpx-vp9": {"deadline": "realtime", "cpu-used": "8", "b": "1500000"},
    "libsvtav1": {"preset": "12", "crf": "35"},
    "mpeg4": {"b": "3000000"},
    "mpeg2video": {"b": "4000000"},
    "wmv2": {"b": "3000000"},
    "flv": {"b": "3000000"},
}


@dataclass(frozen=True)
class DrawnShot:
    """One shot of a drawn film.

    Attributes:
        seconds: Length; a transition into it lies within.
        look: A key of `LOOKS`.
        seed: What tells two shots of one look apart.
        enter: How it begins: ``cut``, ``fade`` (the last shot to black, this one from black) or
            ``dissolve``.
        enter_s: Length of a fade's each half, or of the dissolve.
    """

    seconds: float
    look: str = "shapes"
    seed: int = 0
    enter: str = "cut"
    enter_s: float = 0.5


@dataclass(frozen=True)
class DrawnFilm:
    """A film on disk and the truth about it; times in seconds from its first frame.

    Attributes:
        path: The file.
        duration_s: End of the last frame.
        times_s: Presentation time of each frame.
        cuts_s: First frame of each shot that begins with a cut.
        gradual_s: Stretch of each fade or dissolve.
    """

    path: Path
    duration_s: float
    times_s: tuple[float, ...]
    cuts_s: tuple[float, ...] = ()
    gradual_s: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True)
class Encoding:
    """How a film is encoded.

    Attributes:
        codec: An encoder of FFmpeg.
        pix_fmt: Its pixel format.
        size: Width and height as stored, pixels.
        rate: Frames a second.
        gop: Frames between codec key frames, at most.
        b_frames: Bidirectional frames in a row.
        start_s: Time stamp of the first frame.
        rotation_deg: Turn that the container asks of the player, counter-clockwise.
        aspect: Width of a stored pixel by its height.
        times: Gives frame times from numbers; for a variable frame rate.
        audio: Whether a sound track is added.
        options: More encoder options.
        container_options: Muxer options.
    """

    codec: str = "libx264"
    pix_fmt: str = "yuv420p"
    size: tuple[int, int] = (320, 180)
    rate: Fraction = Fraction(24)
    gop: int = 48
    b_frames: int = 2
    start_s: float = 0.0
    rotation_deg: int = 0
    aspect: Fraction = Fraction(1)
    times: Callable[[int], Fraction] | None = None
    audio: bool = False
    options: dict[str, str] = field(default_factory=dict)
    container_options: dict[str, str] = field(default_factory=dict)


def cut_shots(count: int, seconds: float = 2.0, look: str = "shapes") -> list[DrawnShot]:
    """Return shots of one look that follow each other by cuts."""
    return [DrawnShot(seconds, look, seed) for seed in range(count)]


def draw_film(
    path: Path, shots: Sequence[DrawnShot] | None = None, encoding: Encoding | None = None
) -> DrawnFilm:
    """Draw and encode a film at `path`, whose ending chooses the container."""
    encoding = encoding or Encoding()
    shots = shots or cut_shots(3)
    times = list(_frame_times(encoding, sum(Fraction(shot.seconds) for shot in shots)))
    width, height = encoding.size
    pictures = _pictures(shots, [float(time) for time in times], height, width)
    write_film(path, pictures, times, encoding)
    cuts, gradual = _truth(shots, [float(time) for time in times])
    end = times[-1] + 1 / encoding.rate
    seconds = tuple(float(time) for time in times)
    return DrawnFilm(path, float(end), seconds, tuple(cuts), tuple(gradual))


def write_film(
    path: Path, pictures: Iterator[Picture], times: Sequence[Fraction], encoding: Encoding
) -> None:
    """Encode pictures, `(height, width, 3)` uint8 RGB each, at their times."""
    with av.open(str(path), "w", options=encoding.container_options) as container:
        options = {**DEFAULT_OPTIONS.get(encoding.codec, {}), **encoding.options}
        if encoding.codec == "libx264":
            # Key frames only where the distance says, so that they do not give cuts away.
            options.setdefault("sc_threshold", "40")
        stream: Any = container.add_stream(encoding.codec, rate=encoding.rate, options=options)
        stream.width, stream.height = encoding.size
        stream.pix_fmt = encoding.pix_fmt
        context = stream.codec_context
        context.gop_size, context.max_b_frames = encoding.gop, encoding.b_frames
        context.time_base = Fraction(1, 90_000) if encoding.times else 1 / encoding.rate
        if encoding.aspect != 1:
            context.sample_aspect_ratio = encoding.aspect
        if encoding.rotation_deg:
            stream.set_display_rotation(encoding.rotation_deg)
        sound: Any = container.add_stream("aac", rate=48_000) if encoding.audio else None
        start = round(Fraction(encoding.start_s) / context.time_base)
        for picture, time in zip(pictures, times, strict=False):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
            if encoding.pix_fmt == "gray":
                # swscale takes grey for full range, decoders take it for video range.
                luma = frame.reformat(format="yuv420p").to_ndarray()[: encoding.size[1]]
                frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(luma), format="gray")
            frame = frame.reformat(format=encoding.pix_fmt)
            frame.pts = start + round(time / context.time_base)
            frame.time_base = context.time_base
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
        if sound is not None:
            for frame in _tone(float(times[-1])):
                container.mux(sound.encode(frame))
            container.mux(sound.encode())


def _frame_times(encoding: Encoding, length: Fraction) -> Iterator[Fraction]:
    number = 0
    while True:
        time = encoding.times(number) if encoding.times else number / encoding.rate
        if time >= length:
            return
        yield time
        number += 1


def _tone(seconds: float) -> Iterator[av.AudioFrame]:
    for block in range(int(seconds * 48_000 / 1024)):
        phase = np.arange(block * 1024, (block + 1) * 1024) / 48_000
        wave = (0.1 * np.sin(2 * np.pi * 440 * phase)).astype(np.float32)
        frame = av.AudioFrame.from_ndarray(wave[None], format="fltp", layout="mono")
        frame.sample_rate, frame.pts = 48_000, block * 1024
        yield frame


# -- shots ---------------------------------------------------------------------------------------


def _starts(shots: Sequence[DrawnShot]) -> list[float]:
    return [
        float(sum(Fraction(shot.seconds) for shot in shots[:number]))
        for number in range(len(shots))
    ]


def _pictures(
    shots: Sequence[DrawnShot], times_s: Sequence[float], height: int, width: int
) -> Iterator[Picture]:
    """Paint each frame, transitions included."""
    starts = _starts(shots)
    painters = [LOOKS[shot.look](shot.seed, height, width) for shot in shots]
    for time_s in times_s:
        place = max(number for number, start in enumerate(starts) if start <= time_s + 1e-9)
        shot, since_s = shots[place], time_s - starts[place]
        picture = painters[place](since_s)
        if place and shot.enter == "dissolve" and since_s < shot.enter_s:
            old = painters[place - 1](time_s - starts[place - 1])
            picture = _mix(old, picture, since_s / shot.enter_s)
        if place and shot.enter == "fade" and since_s < shot.enter_s:
            picture = _mix(np.zeros_like(picture), picture, since_s / shot.enter_s)
        later = shots[place + 1] if place + 1 < len(shots) else None
        if later is not None and later.enter == "fade":
            left_s = starts[place + 1] - time_s
            if left_s < later.enter_s:
                picture = _mix(np.zeros_like(picture), picture, left_s / later.enter_s)
        yield picture


def _mix(one: Picture, other: Picture, share: float) -> Picture:
    return np.asarray(cv2.addWeighted(one, 1 - share, other, share, 0), np.uint8)


def _truth(
    shots: Sequence[DrawnShot], times_s: Sequence[float]
) -> tuple[list[float], list[tuple[float, float]]]:
    cuts, gradual = [], []
    for shot, start in list(zip(shots, _starts(shots), strict=True))[1:]:
        if shot.enter == "cut":
            cuts.append(next(time for time in times_s if time >= start - 1e-9))
        elif shot.enter == "fade":
            gradual.append((start - shot.enter_s, start + shot.enter_s))
        else:
            gradual.append((start, start + shot.enter_s))
    return cuts, gradual


# -- looks ---------------------------------------------------------------------------------------


def shapes(seed: int, height: int, width: int, light: float = 1.0, grain: float = 0.0) -> Painter:
    """A textured background with moving discs and boxes, in the shot's own colours."""
    rng = np.random.default_rng(1000 + seed)
    # The golden angle keeps the hues of consecutive seeds apart.
    hue = int(seed * 69 + rng.integers(0, 12)) % 180
    noise = themes._noise(rng, height, width, 6, 4)
    hsv = np.empty((height, width, 3), np.uint8)
    hsv[..., 0], hsv[..., 1] = hue, 150
    hsv[..., 2] = (60 + 150 * noise).astype(np.uint8)
    base = cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)
    movers = [
        (rng.uniform(0, width), rng.uniform(0, height), rng.normal(0, width / 10, 2),
         int(rng.integers(height // 14, height // 5)),
         tuple(int(level) for level in rng.integers(0, 255, 3)))
        for _ in range(5)
    ]  # fmt: skip

    def paint(time_s: float) -> Picture:
        canvas = base.copy()
        for number, (x, y, speed, size, colour) in enumerate(movers):
            spot = (int(x + speed[0] * time_s) % width, int(y + speed[1] * time_s) % height)
            if number % 2:
                cv2.circle(canvas, spot, size, colour, -1, cv2.LINE_AA)
            else:
                cv2.rectangle(canvas, spot, (spot[0] + size, spot[1] + size), colour, -1)
        if light == 1.0 and grain == 0.0:
            return canvas
        picture = canvas.astype(np.float32) * light
        if grain:
            picture += rng.normal(0, grain, (height, width, 1))
        return np.clip(picture, 0, 255).astype(np.uint8)

    return paint


def _dark(seed: int, height: int, width: int) -> Painter:
    return shapes(seed, height, width, light=0.14, grain=2.0)


def _noisy(seed: int, height: int, width: int) -> Painter:
    return shapes(seed, height, width, grain=18.0)


def _pan(seed: int, height: int, width: int) -> Painter:
    """A fast pan over a wide picture."""
    wide = shapes(seed, height, width * 6)(0.0)

    def paint(time_s: float) -> Picture:
        x = int(width * 1.8 * time_s) % (width * 5)
        return np.ascontiguousarray(wide[:, x : x + width])

    return paint


def _flashes(seed: int, height: int, width: int) -> Painter:
    """Shapes with a two-frame flash of light every second."""
    paint_shapes = shapes(seed, height, width)

    def paint(time_s: float) -> Picture:
        picture = paint_shapes(time_s)
        if 0.5 <= time_s % 1 < 0.58:
            return np.asarray(
                cv2.addWeighted(picture, 0.25, np.full_like(picture, 255), 0.75, 0), np.uint8
            )
        return picture

    return paint


def _still(seed: int, height: int, width: int) -> Painter:
    picture = shapes(seed, height, width)(0.0)
    return lambda time_s: picture


def _letterboxed(seed: int, height: int, width: int) -> Painter:
    paint_shapes = shapes(seed, height, width)

    def paint(time_s: float) -> Picture:
        picture = paint_shapes(time_s)
        bar = height // 7
        picture[:bar] = picture[-bar:] = 0
        return picture

    return paint


def _black(seed: int, height: int, width: int) -> Painter:
    picture: NDArray[np.uint8] = np.zeros((height, width, 3), np.uint8)
    return lambda time_s: picture


LOOKS: dict[str, Callable[[int, int, int], Painter]] = {
    "shapes": shapes, "dark": _dark, "noisy": _noisy, "pan": _pan, "flashes": _flashes,
    "still": _still, "letterboxed": _letterboxed, "black": _black,
    "beach": themes.beach, "forest": themes.forest, "desert": themes.desert,
    "valley": themes.valley, "pool": themes.pool, "city": themes.city_night,
    "explosion": themes.explosion, "dance": themes.dance_floor,
}  # fmt: skip


# -- the sample film -----------------------------------------------------------------------------

SAMPLE_SHOTS = (
    DrawnShot(5.0, "beach", 1), DrawnShot(3.5, "pool", 2), DrawnShot(4.5, "valley", 3),
    DrawnShot(4.0, "forest", 4), DrawnShot(4.0, "desert", 5, enter="dissolve", enter_s=0.75),
    DrawnShot(4.0, "city", 6, enter="fade", enter_s=0.75), DrawnShot(3.5, "explosion", 7),
    DrawnShot(3.5, "dance", 8), DrawnShot(4.0, "beach", 9), DrawnShot(4.0, "valley", 10),
)  # fmt: skip
"""Forty seconds: eight kinds of places, seven cuts, a dissolve and a fade."""


def sample_film(path: Path) -> DrawnFilm:
    """Draw the sample film of `make demo`: 640 x 360, 24 frames a second."""
    path.parent.mkdir(parents=True, exist_ok=True)
    encoding = Encoding(size=(640, 360), options={"preset": "superfast", "crf": "27"}, gop=120)
    return draw_film(path, SAMPLE_SHOTS, encoding)


def main(arguments: Sequence[str]) -> int:
    """``python -m tests.media sample PATH`` writes the sample film."""
    if len(arguments) != 2 or arguments[0] != "sample":
        sys.stderr.write("usage: python -m tests.media sample PATH\n")
        return 2
    film = sample_film(Path(arguments[1]))
    size_mb = film.path.stat().st_size / 1e6
    sys.stdout.write(f"{film.path}: {film.duration_s:.0f} seconds, {size_mb:.1f} MB\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
