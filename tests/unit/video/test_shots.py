"""`app.video.shots` on small frames made of numbers; no film is decoded."""

from fractions import Fraction

import numpy as np
import pytest
from numpy.typing import NDArray

from app.video.shots import CutFinder, describe, distance

RATE = Fraction(24)
HEIGHT, WIDTH = 27, 48


def picture(seed: int, low: int = 30, high: int = 220) -> NDArray[np.float64]:
    """A patchwork of colours that no other seed resembles."""
    rng = np.random.default_rng(seed)
    patches = rng.uniform(low, high, (3, 9, 12))
    patches[1:] = 128 + (patches[1:] - 128) * 0.4
    return np.kron(patches, np.ones((3, 4)))


def film_of(frames: list[NDArray[np.float64]], noise: float = 1.5) -> list[NDArray[np.uint8]]:
    rng = np.random.default_rng(0)
    return [
        np.clip(frame + rng.normal(0, noise, frame.shape), 0, 255).astype(np.uint8)
        for frame in frames
    ]


def cuts_of(frames: list[NDArray[np.uint8]], first: int = 0) -> list[int]:
    """Numbers of the frames at which shots start."""
    finder = CutFinder(RATE)
    found: list[Fraction] = []
    for number, frame in enumerate(frames[first:], first):
        found += finder.push(number / RATE, frame)
    return [round(time * RATE) for time in found + finder.finish()]


def mix(one: NDArray[np.float64], other: NDArray[np.float64], count: int) -> list:
    return [one + (other - one) * (step + 1) / (count + 1) for step in range(count)]


def black() -> NDArray[np.float64]:
    return np.stack([np.full((HEIGHT, WIDTH), level) for level in (16.0, 128.0, 128.0)])


def test_a_cut_is_reported_at_the_first_frame_of_the_new_shot() -> None:
    frames = film_of([picture(1)] * 40 + [picture(2)] * 40 + [picture(3)] * 40)
    assert cuts_of(frames) == [40, 80]


def test_a_film_of_one_shot_has_no_cut() -> None:
    assert cuts_of(film_of([picture(1)] * 100)) == []


def test_a_cut_at_the_first_frames_is_not_reported() -> None:
    assert cuts_of(film_of([picture(1)] * 3 + [picture(2)] * 60)) == []


def test_a_cut_between_dark_shots_is_found() -> None:
    frames = film_of([picture(1, 17, 34)] * 40 + [picture(2, 17, 34)] * 40, noise=1.0)
    assert cuts_of(frames) == [40]


@pytest.mark.parametrize("length", [1, 3, 5], ids=["one_frame", "three_frames", "five_frames"])
def test_a_flash_is_no_cut(length: int) -> None:
    bright = picture(1) * 0.2 + 190
    assert cuts_of(film_of([picture(1)] * 40 + [bright] * length + [picture(1)] * 40)) == []


def test_a_flash_does_not_hide_the_cut_beside_it() -> None:
    bright = picture(1) * 0.2 + 190
    frames = film_of([picture(1)] * 40 + [bright] * 2 + [picture(1)] * 3 + [picture(2)] * 40)
    assert cuts_of(frames) == [45]


def test_a_pan_is_no_cut() -> None:
    wide = np.concatenate([picture(seed) for seed in range(8)], axis=2)
    frames = [wide[:, :, 3 * step : 3 * step + WIDTH] for step in range(110)]
    assert cuts_of(film_of(frames)) == []


def test_a_subtitle_is_no_cut() -> None:
    titled = picture(1)
    titled[0, 22:25, 8:40] = 235
    frames = film_of([picture(1)] * 30 + [titled] * 30 + [picture(1)] * 30)
    assert cuts_of(frames) == []


@pytest.mark.parametrize("count", [11, 23, 35], ids=["half_second", "second", "second_and_half"])
def test_a_dissolve_is_reported_once_within_it(count: int) -> None:
    frames = [picture(1)] * 50 + mix(picture(1), picture(2), count) + [picture(2)] * 50
    found = cuts_of(film_of(frames))
    assert len(found) == 1
    assert 50 <= found[0] < 50 + count


def test_a_fade_through_black_is_reported_once_within_it() -> None:
    out, back = mix(picture(1), black(), 12), mix(black(), picture(2), 12)
    frames = [picture(1)] * 50 + out + [black()] * 4 + back + [picture(2)] * 50
    found = cuts_of(film_of(frames, noise=0.4))
    assert len(found) == 1
    assert 50 <= found[0] < 78


def test_a_change_of_light_is_no_dissolve() -> None:
    dim = 16 + (picture(1) - 16) * np.array([0.5, 1, 1])[:, None, None]
    frames = [picture(1)] * 50 + mix(picture(1), dim, 24) + [dim] * 50
    assert cuts_of(film_of(frames)) == []


def test_of_two_cuts_nearer_than_the_shortest_shot_one_is_reported() -> None:
    frames = film_of([picture(1)] * 40 + [picture(2)] * 4 + [picture(3)] * 40)
    assert len(cuts_of(frames)) == 1


def test_a_decision_does_not_depend_on_where_reading_began() -> None:
    frames: list[NDArray[np.float64]] = []
    for seed in range(12):
        frames += [picture(seed)] * (20 + 5 * (seed % 4))
        frames += mix(picture(seed), picture(seed + 1), 16) if seed % 3 == 0 else []
    film = film_of(frames)
    whole = cuts_of(film)
    assert len(whole) >= 10
    finder = CutFinder(RATE)
    for first in (37, 100, 163):
        believed = first + finder.context_frames + round(finder.context_s * RATE)
        assert [cut for cut in cuts_of(film, first) if cut >= believed] == [
            cut for cut in whole if cut >= believed
        ]


def test_a_cut_is_returned_before_time_is_decided_beyond_it() -> None:
    finder = CutFinder(RATE)
    film = film_of([picture(1)] * 60 + [picture(2)] * 120)
    for number, frame in enumerate(film):
        found = finder.push(number / RATE, frame)
        assert all(time < finder.decided_s for time in found)
        if found:
            return
    pytest.fail("the cut was not returned while frames came")


def test_distance_is_zero_for_equal_and_one_for_opposite_frames() -> None:
    dark = describe(np.zeros((3, HEIGHT, WIDTH), np.uint8))
    light = describe(np.full((3, HEIGHT, WIDTH), 255, np.uint8))
    assert distance(dark, dark) == 0
    assert distance(dark, light) == 1
