"""Cuts between samples that lie far apart."""

from fractions import Fraction

import numpy as np

from app.video.samples import SampleCutter


def sample(luma: int, colour: int = 128) -> np.ndarray:
    return np.stack([np.full((27, 48), level, np.uint8) for level in (luma, colour, 128)])


def test_a_sample_that_differs_starts_a_shot_and_a_like_one_does_not() -> None:
    cutter = SampleCutter(Fraction(100))
    assert cutter.push(Fraction(0), sample(60)) == []
    assert cutter.push(Fraction(1), sample(64)) == []
    assert cutter.push(Fraction(2), sample(190, 90)) == [2]
    assert cutter.push(Fraction(3), sample(190, 90)) == []


def test_no_shot_reaches_over_a_seam() -> None:
    cutter = SampleCutter(Fraction(2))
    cuts = [cut for second in range(7) for cut in cutter.push(Fraction(second), sample(60))]
    assert cuts == [2, 4, 6]


def test_what_only_moved_is_the_same_shot() -> None:
    cutter = SampleCutter(Fraction(100))
    halves = sample(40)
    halves[0, :, 24:] = 200
    cutter.push(Fraction(0), halves)
    assert cutter.push(Fraction(1), np.roll(halves, 10, axis=2)) == []
