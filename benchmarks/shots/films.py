"""Drawn films whose transitions are known: cuts, fades, dissolves, flashes, fast pans, dark sets.

A film is decided by its seed alone. Knows painting and the truth about what it painted; nothing of
the service or of any detector.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from tests.media import Encoding, write_film

RATE = 24
SHOT_S = (1.0, 8.0)
"""Shortest and longest shot; the mean is near 3 seconds, as in films of today."""
DISSOLVE_SHARE, FADE_SHARE = 0.06, 0.05
"""How often a shot begins so; all others begin with a cut."""
DISSOLVE_S = (0.5, 1.2)
FADE_S = (0.4, 0.8)
"""Length of each half of a fade."""
SAME_SET = 0.35
"""How often a shot has the colours of the one before: shot and reverse shot."""
MOVES = {"still": 0.3, "shake": 0.25, "drift": 0.3, "pan": 0.15}
"""How the camera moves; a pan is fast: a picture's width in one to two seconds."""
DARK_SHARE, FLASH_SHARE, TITLE_SHARE = 0.15, 0.1, 0.2
GRAIN = 2.5
"""Standard deviation of the film grain, of 255."""

Picture = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Take:
    """One shot that is to be painted.

    Attributes:
        frames: Length in frames; the transition into it lies within.
        enter: ``cut``, ``dissolve`` or ``fade``.
        enter_frames: Length of the dissolve, or of each half of the fade.
        colours: Seed of its colours, shared by shots of one set.
        seed: Decides everything else that is seen.
    """

    frames: int
    enter: str
    enter_frames: int
    colours: int
    seed: int


@dataclass(frozen=True, slots=True)
class KnownFilm:
    """A film on disk and its transitions, in frames from the first.

    Attributes:
        path: The file.
        frames: Number of frames, `RATE` a second.
        cuts: First frame of each shot that begins with a cut.
        gradual: First and last frame of each fade or dissolve.
    """

    path: Path
    frames: int
    cuts: tuple[int, ...]
    gradual: tuple[tuple[int, int], ...]


def plan(seconds: float, seed: int) -> list[Take]:
    """Decide the shots of a film of about so many seconds."""
    rng = np.random.default_rng([7, seed])
    takes: list[Take] = []
    colours = int(rng.integers(2**31))
    while sum(take.frames for take in takes) < seconds * RATE:
        length_s = float(np.clip(rng.lognormal(0.95, 0.5), *SHOT_S))
        if rng.random() > SAME_SET:
            colours = int(rng.integers(2**31))
        enter, enter_s, dice = "cut", 0.0, rng.random()
        if takes and dice < DISSOLVE_SHARE:
            enter, enter_s = "dissolve", float(rng.uniform(*DISSOLVE_S))
        elif takes and dice < DISSOLVE_SHARE + FADE_SHARE:
            enter, enter_s = "fade", float(rng.uniform(*FADE_S))
        frames = round((length_s + enter_s) * RATE)
        takes.append(Take(frames, enter, round(enter_s * RATE), colours, int(rng.integers(2**31))))
    return takes


def draw(path: Path, takes: list[Take], encoding: Encoding) -> KnownFilm:
    """Paint and encode a film at `path`, whose ending chooses the container."""
    total = sum(take.frames for take in takes)
    times = [Fraction(number, RATE) for number in range(total)]
    write_film(path, _frames(takes, encoding.size), times, encoding)
    cuts, gradual, start = [], [], 0
    for take in takes:
        if start and take.enter == "cut":
            cuts.append(start)
        elif start and take.enter == "dissolve":
            gradual.append((start, start + take.enter_frames))
        elif start:
            gradual.append((start - take.enter_frames, start + take.enter_frames))
        start += take.frames
    return KnownFilm(path, total, tuple(cuts), tuple(gradual))


def _frames(takes: list[Take], size: tuple[int, int]) -> Iterator[Picture]:
    rng = np.random.default_rng(3)
    tile = rng.normal(0, GRAIN, (size[1] + 64, size[0] + 64, 1)).repeat(3, axis=2)
    grain = tile.astype(np.int8).astype(np.int16)
    older: _Set | None = None
    before = 0
    for place, take in enumerate(takes):
        now = _Set(take, size)
        later = takes[place + 1] if place + 1 < len(takes) else None
        for number in range(take.frames):
            frame = now.frame(number)
            if older is not None and take.enter == "dissolve" and number < take.enter_frames:
                share = (number + 1) / (take.enter_frames + 1)
                frame = cv2.addWeighted(older.frame(before + number), 1 - share, frame, share, 0)
            if place and take.enter == "fade" and number < take.enter_frames:
                frame = cv2.convertScaleAbs(frame, alpha=number / take.enter_frames)
            left = take.frames - number
            if later is not None and later.enter == "fade" and left <= later.enter_frames:
                frame = cv2.convertScaleAbs(frame, alpha=(left - 1) / later.enter_frames)
            y, x = rng.integers(0, 64, 2)
            noise = grain[y : y + size[1], x : x + size[0]]
            yield np.asarray(cv2.add(frame, noise, dtype=cv2.CV_8U), np.uint8)
        older, before = now, take.frames


class _Set:
    """What the camera looks at in one shot, and how it moves."""

    def __init__(self, take: Take, size: tuple[int, int]) -> None:
        rng = np.random.default_rng(take.seed)
        self._size, self._rng = size, rng
        self._move = str(rng.choice(list(MOVES), p=list(MOVES.values())))
        self._light = float(rng.uniform(0.12, 0.25)) if rng.random() < DARK_SHARE else 1.0
        wide = 3.0 if self._move == "pan" else 1.5
        self._scale = size[0] / 640
        self._canvas = _painted(rng, take.colours, round(640 * wide), round(360 * 1.5))
        self._canvas = cv2.convertScaleAbs(self._canvas, alpha=self._light)
        self._movers = [
            (rng.uniform(0, 1, 2), rng.normal(0, 0.12, 2), rng.uniform(0.04, 0.16),
             [int(level * self._light) for level in rng.integers(20, 240, 3)])
            for _ in range(int(rng.integers(0, 4)))
        ]  # fmt: skip
        self._start, self._speed = rng.uniform(0.1, 0.9, 2), rng.uniform(-0.05, 0.05, 2)
        self._zoom = float(rng.uniform(-0.03, 0.03)) if self._move == "drift" else 0.0
        self._pan_s = float(rng.uniform(1.0, 2.0)) * float(rng.choice([-1, 1]))
        self._phase = rng.uniform(0, 6.28, 2)
        self._flash = -1
        if rng.random() < FLASH_SHARE and take.frames > 40:
            self._flash = int(rng.integers(10, take.frames - 20))
        self._flash_frames = int(rng.integers(1, 4))
        titled = rng.random() < TITLE_SHARE
        self._title = int(rng.integers(5, max(6, take.frames - 5))) if titled else None

    def frame(self, number: int) -> Picture:
        """Paint the frame at `number` from the start of the shot."""
        time_s = number / RATE
        height, width = self._canvas.shape[:2]
        zoom = 1 + self._zoom * time_s
        crop = np.array([640 / zoom, 360 / zoom])
        free = np.array([width, height]) - crop
        corner = free * self._start
        if self._move == "drift":
            corner += self._speed * time_s * 640
        elif self._move == "shake":
            corner += 2.5 * np.sin(2 * np.pi * np.array([0.9, 1.3]) * time_s + self._phase)
        elif self._move == "pan":
            corner[0] += 640 * time_s / self._pan_s
        scale = crop[0] / self._size[0]
        matrix = np.array([[scale, 0, corner[0]], [0, scale, corner[1]]])
        frame = cv2.warpAffine(
            self._canvas, matrix, self._size, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REFLECT,
        )  # fmt: skip
        for place, speed, radius, colour in self._movers:
            x, y = (place + speed * time_s) % 1 * self._size
            cv2.circle(
                frame, (int(x), int(y)), int(radius * self._size[1]), colour, -1, cv2.LINE_AA
            )
        if self._title is not None and self._title <= number < self._title + 48:
            origin = (self._size[0] // 4, self._size[1] * 9 // 10)
            thick = max(1, round(2 * self._scale))
            cv2.putText(frame, "and so it was said", origin, cv2.FONT_HERSHEY_SIMPLEX,
                        self._scale, (235, 235, 235), thick, cv2.LINE_AA)  # fmt: skip
        if self._flash <= number < self._flash + self._flash_frames and self._flash >= 0:
            frame = cv2.addWeighted(frame, 0.25, np.full_like(frame, 255), 0.75, 0)
        return np.asarray(frame, np.uint8)


def _painted(rng: np.random.Generator, colours: int, width: int, height: int) -> Picture:
    """Paint a still picture: clouds of colour with boxes, discs and lines before them."""
    hues = np.random.default_rng(colours).integers(20, 235, (6, 3))
    layers = [_noise(rng, height, width, cells) for cells in (3, 6, 24)]
    cloud = 0.5 * layers[0] + 0.3 * layers[1] + 0.2 * layers[2]
    share = np.clip((cloud - 0.25) * 2, 0, 1)[..., None]
    canvas = (hues[0] * share + hues[1] * (1 - share)).astype(np.float32)
    canvas += 40 * (_noise(rng, height, width, 90)[..., None] - 0.5)
    picture = np.clip(canvas, 0, 255).astype(np.uint8)
    for _ in range(int(rng.integers(6, 16))):
        colour = [int(x) for x in np.clip(hues[rng.integers(2, 6)] + rng.normal(0, 25, 3), 0, 255)]
        x, y = int(rng.integers(0, width)), int(rng.integers(0, height))
        w, h = (int(side) for side in rng.integers(20, 200, 2))
        kind = rng.integers(0, 3)
        if kind == 0:
            cv2.rectangle(picture, (x, y), (x + w, y + h), colour, -1)
        elif kind == 1:
            cv2.ellipse(picture, (x, y), (w // 2, h // 2), 0, 0, 360, colour, -1, cv2.LINE_AA)
        else:
            cv2.line(picture, (x, y), (x + w, y + h), colour, int(rng.integers(2, 14)), cv2.LINE_AA)
    return picture


def _noise(rng: np.random.Generator, height: int, width: int, cells: int) -> NDArray[np.float32]:
    coarse = rng.random((max(2, cells * height // width), cells)).astype(np.float32)
    return np.asarray(
        cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC), np.float32
    )
