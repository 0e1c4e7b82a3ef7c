"""Painters for the sample film: places the vocabulary has words for, drawn with arithmetic.

Each painter gives the picture at a moment, `(height, width, 3)` uint8 RGB, from the seconds since
its shot began. Everything that does not move is drawn once.
"""

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
Painter = Callable[[float], Picture]


def _noise(
    rng: np.random.Generator, height: int, width: int, octaves: int, first: int = 3
) -> NDArray[np.float32]:
    """Cloud-like noise in 0..1: octaves of random grids, each twice as fine and half as strong."""
    total = np.zeros((height, width), np.float32)
    for octave in range(octaves):
        cells = first * 2**octave
        grid = rng.random((max(2, cells * height // width + 1), cells + 1), np.float32)
        total += cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC) / 2**octave
    total -= total.min()
    return total / total.max()


def _ramp(
    top: tuple[int, int, int], bottom: tuple[int, int, int], height: int, width: int
) -> NDArray[np.float32]:
    part = np.linspace(0, 1, height, dtype=np.float32)[:, None, None]
    colours = np.array(top, np.float32) * (1 - part) + np.array(bottom, np.float32) * part
    return np.repeat(colours, width, axis=1)


def _blend(
    base: NDArray[np.float32], colour: tuple[int, int, int], share: NDArray[np.float32]
) -> NDArray[np.float32]:
    return base + (np.array(colour, np.float32) - base) * share[..., None]


def _whole(picture: NDArray[np.float32]) -> Picture:
    return np.clip(picture, 0, 255).astype(np.uint8)


def _ridge(rng: np.random.Generator, width: int, roughness: float) -> NDArray[np.float32]:
    """A line in -1..1 as of hills against the sky."""
    line = np.zeros(width, np.float32)
    for octave in range(6):
        knots = rng.normal(0, roughness**octave, 3 * 2**octave + 2).astype(np.float32)
        line += cv2.resize(knots[None], (width, 1), interpolation=cv2.INTER_CUBIC)[0]
    return line / np.abs(line).max()


def _camera(
    still: Picture, height: int, width: int, drift: tuple[float, float], zoom: float = 0.0
) -> Painter:
    """Look at a larger still through a window that drifts (pixels a second) and zooms."""

    def paint(time_s: float) -> Picture:
        scale = 1 / (1 + zoom * time_s)
        free_x, free_y = still.shape[1] - width * scale, still.shape[0] - height * scale
        x = np.clip(free_x / 2 + drift[0] * time_s, 0, free_x)
        y = np.clip(free_y / 2 + drift[1] * time_s, 0, free_y)
        matrix = np.array([[scale, 0, x], [0, scale, y]], np.float32)
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        return np.asarray(cv2.warpAffine(still, matrix, (width, height), flags=flags), np.uint8)

    return paint


def beach(seed: int, height: int, width: int) -> Painter:
    """Sky, a sea with running waves and wet sand."""
    rng = np.random.default_rng(seed)
    horizon, shore = int(height * 0.4), int(height * 0.72)
    base = _ramp((70, 150, 220), (190, 220, 240), height, width)
    clouds = _noise(rng, height, width, 5)
    base = _blend(base, (250, 250, 250), np.clip(clouds * 2.2 - 1.1, 0, 0.9))
    base[horizon:shore] = _ramp((20, 80, 130), (70, 160, 170), shore - horizon, width)
    sand = _ramp((200, 175, 130), (225, 200, 155), height - shore, width)
    base[shore:] = sand + (_noise(rng, height - shore, width, 7, 12)[..., None] - 0.5) * 30
    rows = np.arange(horizon, shore + height // 12, dtype=np.float32)[:, None]
    columns = np.arange(width, dtype=np.float32)[None]
    depth = (rows - horizon + 4) / height
    ripple = _noise(rng, len(rows), width, 7, 10)

    def paint(time_s: float) -> Picture:
        picture = base.copy()
        phase = 26 * np.log(depth) + 0.02 * columns * (1 - depth) + 2.0 * time_s + 5 * ripple
        crest = np.clip(np.sin(phase) - 0.55, 0, 1) * np.clip(depth * 3, 0.2, 1.2)
        edge = shore + height * 0.03 * (np.sin(0.9 * time_s + 0.012 * columns) + 0.5)
        water = (rows < edge).astype(np.float32)
        foam = np.exp(-(((rows - edge) / (height * 0.012)) ** 2))
        part = picture[horizon : horizon + len(rows)]
        part[:] = _blend(part, (60, 140, 160), water * 0.55)
        part[:] = _blend(part, (245, 250, 250), np.clip(crest * water + foam, 0, 1))
        return _whole(picture)

    return paint


def forest(seed: int, height: int, width: int) -> Painter:
    """Trunks before green depth, ferns below, the camera drifting."""
    rng = np.random.default_rng(seed)
    tall, wide = int(height * 1.15), int(width * 1.4)
    base = _ramp((150, 190, 110), (40, 70, 30), tall, wide)
    leaves = _noise(rng, tall, wide, 8, 8)
    base = _blend(base, (25, 60, 20), np.clip(leaves * 1.8 - 0.5, 0, 1))
    base = _blend(base, (215, 235, 160), np.clip(_noise(rng, tall, wide, 7, 14) * 3 - 2.1, 0, 0.8))
    for depth in np.linspace(0.25, 1, 34):
        x, half = int(rng.integers(0, wide)), max(1, int(rng.uniform(4, 16) * depth * height / 360))
        tone = np.array([95, 75, 55], np.float32) * (1.25 - 0.8 * depth)
        bark = _noise(rng, tall, 2 * half + 1, 5, 4)[..., None]
        left, right = max(0, x - half), min(wide, x + half + 1)
        round_ = np.cos(np.linspace(-1.3, 1.3, 2 * half + 1, dtype=np.float32))[None, :, None]
        trunk = (tone * (0.6 + 0.8 * bark) * round_)[:, left - x + half : right - x + half]
        foot = int(tall * (0.62 + 0.3 * depth))
        base[:foot, left:right] = trunk[:foot]
    fern = _noise(rng, tall, wide, 8, 24)
    low = np.clip((np.arange(tall, dtype=np.float32)[:, None] / tall - 0.7) * 6, 0, 1)
    base = _blend(base, (70, 130, 35), low * np.clip(fern * 2.2 - 0.6, 0, 1))
    return _camera(_whole(base), height, width, (22, 0), 0.012)


def desert(seed: int, height: int, width: int) -> Painter:
    """Dunes with a sharp lee side under a clear sky."""
    rng = np.random.default_rng(seed)
    tall, wide = int(height * 1.1), int(width * 1.35)
    base = _ramp((60, 130, 210), (215, 220, 220), tall, wide)
    columns = np.arange(wide)
    for depth in np.linspace(0.4, 0.92, 6):
        line = tall * (depth - 0.09 * _ridge(rng, wide, 0.3))
        slope = np.gradient(line)
        lit = np.clip(0.62 + 0.8 * cv2.blur(slope[None].astype(np.float32), (9, 1))[0], 0.3, 1)
        rows = np.arange(tall, dtype=np.float32)[:, None]
        ripples = np.sin(rows * 0.7 + 6 * _noise(rng, tall, wide, 4)) * 7 * depth
        sand = (
            np.array([232, 178, 108], np.float32) * lit[columns][None, :, None] + ripples[..., None]
        )
        base = np.where((rows > line[None])[..., None], sand, base)
    return _camera(_whole(base), height, width, (-16, 2))


def valley(seed: int, height: int, width: int) -> Painter:
    """Ranges of hills, paler the farther, meadows in front."""
    rng = np.random.default_rng(seed)
    tall, wide = int(height * 1.1), int(width * 1.3)
    base = _ramp((95, 150, 215), (225, 232, 235), tall, wide)
    base = _blend(base, (252, 252, 252), np.clip(_noise(rng, tall, wide, 6) * 2.4 - 1.3, 0, 0.9))
    rows = np.arange(tall, dtype=np.float32)[:, None]
    for depth in np.linspace(0, 1, 7):
        line = tall * (0.38 + 0.5 * depth - (0.16 - 0.09 * depth) * _ridge(rng, wide, 0.5))
        near = np.array([70, 125, 45], np.float32)
        tone = np.array([135, 160, 190], np.float32) * (1 - depth) + near * depth
        wood = (_noise(rng, tall, wide, 8, 10) - 0.5) * (25 + 70 * depth)
        snow = np.clip((tall * 0.33 - rows) / (tall * 0.06), 0, 1) * (1 - depth)
        hill = _blend(
            tone + wood[..., None], (245, 248, 252), snow * np.ones((1, wide), np.float32)
        )
        base = np.where((rows > line[None])[..., None], hill, base)
    return _camera(_whole(base), height, width, (14, 3), 0.02)


def pool(seed: int, height: int, width: int) -> Painter:
    """Water with a moving net of light, lanes and a swimmer."""
    rng = np.random.default_rng(seed)
    base = _ramp((60, 175, 205), (25, 130, 190), height, width)
    one, two = (_noise(rng, height * 2, width * 2, 6, 12) for _ in range(2))
    rows = np.arange(height)[:, None]

    def paint(time_s: float) -> Picture:
        dx, dy = int(30 * time_s) % width, int(17 * time_s) % height
        net = (
            one[dy : dy + height, dx : dx + width]
            - two[height - dy :, width - dx :][:height, :width]
        )
        light = np.exp(-((net / 0.035) ** 2))
        picture = _blend(base, (225, 250, 250), light * 0.75)
        for lane in (0.2, 0.5, 0.8):
            row = int(height * lane)
            floats = (np.arange(width) // (width // 40)) % 2
            colour = np.where(floats[:, None] > 0, [225, 60, 50], [245, 245, 245])
            picture[row : row + max(2, height // 70)] = colour
        canvas = _whole(picture)
        x, y = int(width * (0.12 + 0.11 * time_s)), int(height * 0.37)
        unit = height // 36
        cv2.ellipse(
            canvas, (x - 4 * unit, y), (5 * unit, unit), 0, 0, 360, (225, 170, 135), -1, cv2.LINE_AA
        )
        cv2.circle(canvas, (x + unit, y), int(1.4 * unit), (180, 40, 40), -1, cv2.LINE_AA)
        reach = np.sin(4 * time_s)
        cv2.line(
            canvas,
            (x - unit, y),
            (x + 3 * unit, int(y - 3 * unit * reach)),
            (225, 170, 135),
            unit,
            cv2.LINE_AA,
        )
        splash = rng.normal(0, 1, (60, 2)) * unit * 1.5 + (x - 9 * unit, y)
        for px, py in splash.astype(int):
            cv2.circle(
                canvas, (int(px), int(py)), max(1, unit // 4), (250, 255, 255), -1, cv2.LINE_AA
            )
        return canvas * (rows >= 0)[..., None].astype(np.uint8)

    return paint


def city_night(seed: int, height: int, width: int) -> Painter:
    """Towers with lit windows, and cars on a road."""
    rng = np.random.default_rng(seed)
    road = int(height * 0.82)
    base = _whole(_ramp((8, 10, 28), (45, 35, 60), height, width))
    x = 0
    while x < width:
        wide = int(rng.integers(width // 18, width // 8))
        top = int(rng.integers(height // 8, height // 2))
        tone = tuple(int(value) for value in rng.integers(14, 38, 3))
        cv2.rectangle(base, (x, top), (x + wide, road), tone, -1)
        step = max(5, height // 48)
        for row in range(top + step, road - step, step * 2):
            for column in range(x + step, x + wide - step, step * 2):
                if rng.random() < 0.45:
                    lit = (255, 214, 140) if rng.random() < 0.8 else (170, 210, 255)
                    cv2.rectangle(base, (column, row), (column + step - 2, row + step), lit, -1)
        x += wide
    base[road:] = (24, 24, 28)
    cars = [(rng.uniform(0, width), rng.choice([-1, 1]) * rng.uniform(90, 230)) for _ in range(12)]

    def paint(time_s: float) -> Picture:
        canvas = base.copy()
        for number, (place, speed) in enumerate(cars):
            x = int((place + speed * time_s * width / 640) % width)
            y = road + (height - road) * (1 + number % 4) // 5
            colour = (255, 60, 50) if speed > 0 else (255, 250, 220)
            for gap in (0, height // 45):
                cv2.circle(canvas, (x + gap, y), max(2, height // 110), colour, -1, cv2.LINE_AA)
        glow = cv2.GaussianBlur(canvas, (0, 0), height / 45)
        return np.asarray(cv2.addWeighted(canvas, 1.0, glow, 0.7, 0), np.uint8)

    return paint


def explosion(seed: int, height: int, width: int) -> Painter:
    """A ball of fire that grows over dark ground, with smoke and sparks."""
    rng = np.random.default_rng(seed)
    ground = _ramp((60, 58, 62), (26, 22, 20), height, width)
    ground += (_noise(rng, height, width, 7, 8)[..., None] - 0.5) * 30
    rough, smoke = _noise(rng, height, width, 7, 5), _noise(rng, height, width, 6, 4)
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32)
    away = np.hypot(columns - width / 2, (rows - height * 0.6) * 1.1) / height
    sparks = rng.normal(0, 1, (150, 2)) * (width / 5, height / 4) + (0, -height / 8)

    def paint(time_s: float) -> Picture:
        size = 0.12 + 0.42 * (1 - np.exp(-1.4 * time_s))
        heat = np.clip((size * (0.55 + 0.9 * rough) - away) / (0.5 * size), 0, 1)
        dark = np.clip((size * 1.5 * (0.4 + smoke) - away) * 4, 0, 1) * 0.8
        picture = _blend(ground, (42, 38, 36), dark)
        picture = _blend(picture, (225, 80, 15), np.clip(heat * 2, 0, 1))
        picture = _blend(picture, (255, 190, 60), np.clip(heat * 2.2 - 0.6, 0, 1))
        picture = _blend(picture, (255, 250, 220), np.clip(heat * 3 - 1.8, 0, 1))
        canvas = _whole(picture)
        for dx, dy in sparks * min(1.0, 0.3 + 0.5 * time_s):
            fall = 18 * time_s * time_s
            spot = (int(width / 2 + dx), int(height * 0.6 + dy + fall))
            cv2.circle(canvas, spot, max(1, height // 240), (255, 215, 120), -1, cv2.LINE_AA)
        return canvas

    return paint


def dance_floor(seed: int, height: int, width: int) -> Painter:
    """Coloured beams over a crowd of dark figures."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32)
    haze = 0.5 + 0.5 * _noise(rng, height, width, 5)
    lamps = [(rng.uniform(0, width), rng.uniform(0, 6), rng.integers(0, 3)) for _ in range(6)]
    people = [(rng.uniform(0, width), rng.uniform(0.5, 1), rng.uniform(0, 6)) for _ in range(26)]
    colours = np.array([[255, 40, 160], [60, 90, 255], [40, 240, 200]], np.float32)

    def paint(time_s: float) -> Picture:
        picture = np.full((height, width, 3), (12, 6, 22), np.float32)
        for place, phase, colour in lamps:
            aim = 0.7 * np.sin(1.3 * time_s + phase)
            beam = np.exp(-(((columns - place - aim * rows) / (8 + rows * 0.11)) ** 2)) * haze
            picture += colours[colour] * (beam * 0.75)[..., None]
        canvas = _whole(picture)
        for place, depth, phase in people:
            bob = abs(np.sin(5 * time_s + phase)) * height * 0.02
            head, top = int(height * 0.035 * depth), int(height * (1.25 - 0.55 * depth) - bob)
            tone = (int(14 * depth), 8, int(18 * depth))
            centre = (int(place), top)
            cv2.circle(canvas, centre, head, tone, -1, cv2.LINE_AA)
            body = (int(place), top + int(4.2 * head))
            cv2.ellipse(canvas, body, (int(1.9 * head), 3 * head), 0, 0, 360, tone, -1, cv2.LINE_AA)
            lift = np.sin(5 * time_s + 2 * phase)
            hand = (int(place + 2.6 * head), int(top - 2 * head * lift))
            cv2.line(
                canvas,
                (int(place + head), top + 2 * head),
                hand,
                tone,
                max(2, head // 2),
                cv2.LINE_AA,
            )
        return canvas

    return paint
