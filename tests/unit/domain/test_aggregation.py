from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.aggregation import AggregationRules, film_tags
from app.domain.shots import ScoredFrame, ScoredShot, Shot

TAGS = ("War", "Beach/Sea", "Music", "Food")
NO_THRESHOLDS = AggregationRules(thresholds={})


def scored(start_s: float, end_s: float, *rows: Sequence[float]) -> ScoredShot:
    frames = tuple(
        ScoredFrame(start_s, np.array(row, np.float32), np.zeros(2, np.float16), b"")
        for row in rows
    )
    return ScoredShot(Shot(start_s, end_s), frames)


def test_a_shot_speaks_with_the_mean_of_its_key_frames_weighted_by_its_seconds():
    shots = [
        scored(0, 30, [0.8, 0.1, 0.1, 0.0], [0.6, 0.3, 0.1, 0.0]),
        scored(30, 40, [0.0, 0.9, 0.1, 0.0]),
    ]
    found = film_tags(shots, TAGS, AggregationRules(thresholds={}, top_k=1))
    assert [(tag.tag, tag.shot_count, tag.coverage_s, tag.first_s) for tag in found] == [
        ("War", 1, 30, 0),
        ("Beach/Sea", 1, 10, 30),
    ]
    assert found[0].score == pytest.approx(0.7 * 30 / 40)
    assert found[1].score == pytest.approx(0.9 * 10 / 40)


def test_a_tag_outside_every_shots_top_k_does_not_count():
    found = film_tags([scored(0, 10, [0.4, 0.3, 0.2, 0.1])], TAGS, NO_THRESHOLDS)
    assert [tag.tag for tag in found] == ["War", "Beach/Sea", "Music"]


def test_a_tag_needs_one_shot_that_reaches_its_threshold():
    shots = [scored(0, 10, [0.5, 0.3, 0.2, 0.0]), scored(10, 20, [0.5, 0.45, 0.05, 0.0])]
    strict = AggregationRules(thresholds={"War": 0.6, "Beach/Sea": 0.45, "Music": 0.1})
    assert [tag.tag for tag in film_tags(shots, TAGS, strict)] == ["Beach/Sea", "Music"]


def test_a_tag_far_below_the_best_is_noise():
    shots = [scored(0, 99, [0.9, 0.1, 0.0, 0.0]), scored(99, 100, [0.0, 0.0, 0.0, 1.0])]
    assert [tag.tag for tag in film_tags(shots, TAGS, NO_THRESHOLDS)] == ["War", "Beach/Sea"]


def test_a_film_has_at_most_max_tags():
    rules = AggregationRules(thresholds={}, top_k=4, max_tags=2)
    found = film_tags([scored(0, 10, [0.3, 0.3, 0.2, 0.2])], TAGS, rules)
    assert [tag.tag for tag in found] == ["War", "Beach/Sea"]


def test_no_shots_make_no_tags():
    assert film_tags([], TAGS, NO_THRESHOLDS) == []


rows = st.lists(st.floats(0, 1, width=32), min_size=4, max_size=4)


@given(st.lists(st.tuples(st.floats(0.1, 50), rows), min_size=1, max_size=8), st.randoms())
def test_scores_stay_in_range_and_order_of_shots_does_not_matter(pieces, random):
    shots, start_s = [], 0.0
    for duration_s, row in pieces:
        shots.append(scored(start_s, start_s + duration_s, row))
        start_s += duration_s
    found = film_tags(shots, TAGS, NO_THRESHOLDS)
    mixed = list(shots)
    random.shuffle(mixed)
    assert film_tags(mixed, TAGS, NO_THRESHOLDS) == found
    assert all(0 < tag.score <= 1 + 1e-6 for tag in found)
    assert all(0 < tag.coverage_s <= start_s + 1e-6 for tag in found)
    assert [tag.score for tag in found] == sorted((tag.score for tag in found), reverse=True)
