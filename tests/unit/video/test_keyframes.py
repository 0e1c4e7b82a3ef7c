"""The policy of key frames, on candidates made by hand."""

from fractions import Fraction

import numpy as np
import pytest
from numpy.typing import NDArray

from app.video.keyframes import (
    MAX_CANDIDATES,
    MAX_KEY_FRAMES,
    Candidate,
    CandidatePool,
    is_candidate,
    quality_of,
)

PICTURE = np.zeros((2, 2, 3), np.uint8)


def candidate(time_s: float, quality: float = 0.8) -> Candidate:
    return Candidate(Fraction(time_s).limit_denominator(1000), PICTURE, quality)


def chosen(times_s: list[float], end_s: float, start_s: float = 0) -> list[float]:
    pool = CandidatePool(Fraction(start_s))
    for time_s in times_s:
        pool.add(candidate(time_s))
    return [float(one.time) for one in pool.choose(Fraction(end_s))]


def textured() -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 255, (90, 160, 3), np.uint8)


def test_a_short_shot_has_one_key_frame_in_its_middle() -> None:
    assert chosen([0.0, 0.5, 1.0, 1.5, 2.0], end_s=2.2) == [1.0]


def test_a_shot_of_twelve_seconds_has_three_key_frames() -> None:
    assert len(chosen([step / 5 for step in range(60)], end_s=12)) == 3


def test_a_frame_beside_a_transition_is_not_chosen_where_there_is_another() -> None:
    assert chosen([4.0, 4.1, 5.9], start_s=4, end_s=6) != [4.0]
    pool = CandidatePool(Fraction(4))
    pool.add(candidate(4.05, quality=1.0))
    pool.add(candidate(5.3, quality=0.2))
    assert [one.time for one in pool.choose(Fraction(6))] == [Fraction(53, 10)]


def test_a_blank_frame_is_chosen_only_where_there_is_no_other() -> None:
    pool = CandidatePool(Fraction(0))
    pool.add(candidate(1.0, quality=0))
    assert [float(one.time) for one in pool.choose(Fraction(2))] == [1.0]
    pool.add(candidate(1.9, quality=0.3))
    assert [float(one.time) for one in pool.choose(Fraction(2))] == [1.9]


def test_an_hour_long_shot_keeps_a_bounded_number_of_candidates() -> None:
    pool = CandidatePool(Fraction(0))
    for step in range(5 * 3600):
        pool.add(candidate(step / 5))
        assert len(pool._kept) <= MAX_CANDIDATES
    frames = pool.choose(Fraction(3600))
    gaps = np.diff([float(one.time) for one in frames])
    assert len(frames) == MAX_KEY_FRAMES
    assert gaps.max() < 2.5 * gaps.min()


def test_a_shot_without_candidates_is_refused() -> None:
    with pytest.raises(ValueError, match="without a candidate"):
        CandidatePool(Fraction(0)).choose(Fraction(1))


@pytest.mark.parametrize(
    "level", [(0, 0, 0), (255, 255, 255), (128, 128, 128)], ids=["black", "white", "grey"]
)
def test_a_picture_of_one_colour_has_no_quality(level: tuple[int, int, int]) -> None:
    assert quality_of(np.full((90, 160, 3), level, np.uint8)) == 0


@pytest.mark.parametrize("level", [(128, 128, 128), (0, 135, 0)], ids=["grey", "green"])
def test_a_picture_whose_half_was_never_decoded_has_no_quality(
    level: tuple[int, int, int],
) -> None:
    picture = textured()
    assert quality_of(picture) > 0.5
    picture[45:] = level
    assert quality_of(picture) == 0


def test_every_shot_of_two_stretches_holds_a_candidate_at_any_frame_rate() -> None:
    rng = np.random.default_rng(3)
    for _ in range(300):
        gaps = rng.choice([0.01, 0.04, 0.11, 0.3, 2.0], 80)
        times = [Fraction(int(t * 1000), 1000) for t in np.cumsum(gaps)]
        marks = [
            is_candidate(
                times[i - 1] if i else None, time, times[i + 1] if i + 1 < len(times) else None
            )
            for i, time in enumerate(times)
        ]
        first, last = sorted(rng.choice(len(times), 2, replace=False))
        if times[last] - times[first] >= Fraction(2, 5):
            assert any(marks[first:last])
