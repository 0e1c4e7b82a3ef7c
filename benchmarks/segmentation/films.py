"""Films with known content, composed from labelled pictures: themes of shots, a moving camera.

Knows pictures, painting and the truth about what it painted; nothing of the service. Pictures are
read where they lie and never copied; films are made in a temporary folder.
"""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np

from benchmarks.segmentation.metrics import Interval, joined
from tests.media import Encoding, write_film
from tests.themes import Painter, Picture
from training.dataset import LabelledPicture
from training.store import UnreadablePictureError, read_picture

RATE = 24
SIZE = (640, 360)
THEME_TAGS = 4
"""Tags that lead a film."""
RETURN_SHARE = 0.35
"""How often a film goes back to an earlier theme: bridging too far is then an error."""
SHOTS_PER_THEME = (2, 5)
SHOT_S = (1.5, 5.0)
DISSOLVE_SHARE = 0.2
DISSOLVE_S = (0.5, 1.0)
TALL = 0.9
"""Pictures narrower than this (width by height) lose their content in a film's frame."""


@dataclass(frozen=True, slots=True)
class Take:
    """One shot that is to be painted.

    Attributes:
        picture: What the camera looks at.
        frames: Length in frames, dissolve into it included.
        dissolve: Frames of the dissolve that it begins with; 0 is a cut.
        seed: Decides how the camera moves.
    """

    picture: LabelledPicture
    frames: int
    dissolve: int
    seed: int


@dataclass(frozen=True, slots=True)
class ComposedFilm:
    """A film on disk, how many shots it has, and where each tag holds in it, seconds."""

    path: Path
    duration_s: float
    shot_count: int
    truth: dict[str, list[Interval]]


def plan_films(
    pictures: Sequence[LabelledPicture],
    tags: Sequence[str],
    count: int,
    seconds: tuple[float, float],
    seed: int,
) -> list[list[Take]]:
    """Decide which pictures the films show, and for how long.

    Tags lead themes in turn, so each gets about as many; a picture is used again only where its
    tag has no fresh one. A film goes back to its earlier themes now and then.

    Args:
        pictures: One side of the split.
        tags: Those that may lead a theme; of them, those that have pictures do.
        count: Films.
        seconds: Shortest and longest film.
        seed: Decides everything.
    """
    rng = np.random.default_rng(seed)
    decks = {}
    for tag in tags:
        own = [picture for picture in pictures if tag in picture.tags and _is_wide(picture)]
        if own:
            decks[tag] = itertools.cycle([own[int(place)] for place in rng.permutation(len(own))])
    if not decks:
        raise ValueError("no picture carries a tag of the model")
    leads = _in_turn(sorted(decks, key=list(tags).index), rng)
    plans = []
    for _ in range(count):
        wanted = round(rng.uniform(*seconds) * RATE)
        film: list[Take] = []
        told: list[str] = []
        while sum(take.frames for take in film) < wanted:
            back = len(set(told)) >= min(THEME_TAGS, len(decks)) or rng.random() < RETURN_SHARE
            earlier = sorted(set(told[:-1]) - set(told[-1:]))
            theme = str(rng.choice(earlier)) if back and earlier else next(leads)
            told.append(theme)
            for _ in range(int(rng.integers(*SHOTS_PER_THEME, endpoint=True))):
                film.append(_take(next(decks[theme]), rng, first=not film))
        plans.append(film)
    return plans


def compose(path: Path, takes: Sequence[Take], tags: Sequence[str]) -> ComposedFilm:
    """Paint and encode a film; tags outside `tags` are not part of its truth."""
    total = sum(take.frames for take in takes)
    times = [Fraction(number, RATE) for number in range(total)]
    options = {"preset": "superfast", "crf": "24"}
    write_film(path, _frames(takes), times, Encoding(size=SIZE, gop=120, options=options))
    return ComposedFilm(path, total / RATE, len(takes), truth_of(takes, tags))


def truth_of(takes: Sequence[Take], tags: Sequence[str]) -> dict[str, list[Interval]]:
    """Return where each tag holds: while a picture that carries it is shown.

    A dissolve belongs to the older picture up to its middle.
    """
    starts = [0.0]
    ends_frames = list(itertools.accumulate(take.frames for take in takes))
    starts += [
        (end + after.dissolve / 2) / RATE
        for end, after in zip(ends_frames[:-1], takes[1:], strict=True)
    ]
    ends = [*starts[1:], ends_frames[-1] / RATE]
    truth: dict[str, list[Interval]] = {}
    for take, start_s, end_s in zip(takes, starts, ends, strict=True):
        for tag in take.picture.tags:
            if tag in tags:
                truth.setdefault(tag, []).append((start_s, end_s))
    return {tag: joined(stretches) for tag, stretches in truth.items()}


def _in_turn(tags: Sequence[str], rng: np.random.Generator) -> Iterator[str]:
    """Deal the tags again and again, shuffled each time, never one twice in a row."""
    last = ""
    while True:
        round_of = [tags[int(place)] for place in rng.permutation(len(tags))]
        if len(round_of) > 1 and round_of[0] == last:
            round_of.append(round_of.pop(0))
        yield from round_of
        last = round_of[-1]


def _take(picture: LabelledPicture, rng: np.random.Generator, *, first: bool) -> Take:
    dissolves = not first and rng.random() < DISSOLVE_SHARE
    dissolve = round(rng.uniform(*DISSOLVE_S) * RATE) if dissolves else 0
    frames = round(rng.uniform(*SHOT_S) * RATE)
    return Take(picture, frames, dissolve, int(rng.integers(2**31)))


def _is_wide(picture: LabelledPicture) -> bool:
    try:
        height, width = read_picture(picture.file).shape[:2]
    except UnreadablePictureError:
        return False
    return bool(width >= TALL * height)


def _frames(takes: Sequence[Take]) -> Iterator[Picture]:
    older: Painter | None = None
    before = 0
    for take in takes:
        paint = camera(read_picture(take.picture.file), take.frames / RATE, take.seed)
        for number in range(take.frames):
            frame = paint(number / RATE)
            if older is not None and number < take.dissolve:
                share = (number + 1) / (take.dissolve + 1)
                old = older((before + number) / RATE)
                frame = np.asarray(cv2.addWeighted(old, 1 - share, frame, share, 0), np.uint8)
            yield frame
        older, before = paint, take.frames


def camera(picture: Picture, seconds: float, seed: int) -> Painter:
    """Look at a picture as a hand-held camera does that pans, and zooms in or out.

    Args:
        picture: `(height, width, 3)` uint8 RGB.
        seconds: Length of the move; it goes on beyond, for a dissolve.
        seed: Decides the move.

    Returns:
        What paints the frame of `SIZE` at a time in seconds from the start of the shot.
    """
    rng = np.random.default_rng(seed)
    height, width = picture.shape[:2]
    widest = min(width, height * SIZE[0] / SIZE[1])
    zooms = rng.uniform(0.75, 1.0, 2)
    first = np.array([rng.uniform(0, 1), rng.uniform(0.2, 0.8)])
    last = np.clip(first + rng.uniform(-0.5, 0.5, 2), 0, 1)
    phase = rng.uniform(0, 2 * np.pi, 2)

    def paint(time_s: float) -> Picture:
        share = min(1.25, time_s / seconds)
        crop = min(widest, widest * (zooms[0] + share * (zooms[1] - zooms[0])))
        free = np.array([width - crop, height - crop * SIZE[1] / SIZE[0]])
        corner = free * np.clip(first + share * (last - first), 0, 1)
        corner += 0.003 * widest * np.sin(2 * np.pi * np.array([0.7, 1.1]) * time_s + phase)
        scale = crop / SIZE[0]
        matrix = np.array([[scale, 0, corner[0]], [0, scale, corner[1]]])
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        moved = cv2.warpAffine(picture, matrix, SIZE, flags=flags, borderMode=cv2.BORDER_REFLECT)
        return np.asarray(moved, np.uint8)

    return paint
