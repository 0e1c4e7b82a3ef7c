from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.segments import SegmentRules, tag_segments
from app.domain.shots import ScoredFrame, ScoredShot, Shot

TAGS = ("War", "Music", "Food")


def scored(start_s: float, end_s: float, row: list[float]) -> ScoredShot:
    frame = ScoredFrame(start_s, np.array(row, np.float32), np.zeros(2, np.float16), b"")
    return ScoredShot(Shot(start_s, end_s), (frame,))


WAR, MUSIC, FOOD = [0.8, 0.2, 0.0], [0.1, 0.9, 0.0], [0.0, 0.1, 0.9]


def found(shots, only=None, **rules):
    return [
        (segment.tag, segment.start_s, segment.end_s)
        for segment in tag_segments(shots, TAGS, SegmentRules(**rules), only)
    ]


def test_touching_shots_of_a_tag_are_one_segment_scored_by_seconds():
    shots = [scored(0, 1, [0.5, 0.3, 0.2]), scored(1, 4, WAR)]
    segments = tag_segments(shots, TAGS, SegmentRules(top_k=1))
    assert [(s.tag, s.start_s, s.end_s) for s in segments] == [("War", 0, 4)]
    assert segments[0].score == pytest.approx((0.5 * 1 + 0.8 * 3) / 4)


def test_a_gap_up_to_max_gap_is_bridged_and_a_longer_one_is_not():
    shots = [scored(0, 5, WAR), scored(5, 7, MUSIC), scored(7, 10, WAR)]
    assert found(shots, top_k=1, max_gap_s=2) == [("War", 0, 10), ("Music", 5, 7)]
    assert found(shots, top_k=1, max_gap_s=1.9) == [("War", 0, 5), ("Music", 5, 7), ("War", 7, 10)]


def test_a_shot_holds_only_tags_at_the_asked_score():
    assert found([scored(0, 5, WAR)], min_score=0.5) == [("War", 0, 5)]


def test_segments_shorter_than_asked_are_dropped_after_merging():
    shots = [scored(0, 1, WAR), scored(1, 2, WAR), scored(2, 3, MUSIC)]
    assert found(shots, top_k=1, min_duration_s=2) == [("War", 0, 2)]


def test_only_the_asked_tag_is_looked_for():
    assert found([scored(0, 5, WAR)], only=["Music"]) == [("Music", 0, 5)]


def test_a_tag_that_was_not_trained_yields_nothing():
    assert found([scored(0, 5, WAR)], only=["Robot"]) == []


@given(st.lists(st.tuples(st.floats(0.1, 9), st.sampled_from([WAR, MUSIC, FOOD])), max_size=12))
def test_segments_of_a_tag_never_touch_and_stay_inside_the_film(pieces):
    shots, start_s = [], 0.0
    for duration_s, row in pieces:
        shots.append(scored(start_s, start_s + duration_s, row))
        start_s += duration_s
    segments = tag_segments(shots, TAGS, SegmentRules(top_k=1, max_gap_s=0.05))
    for tag in TAGS:
        ours = [segment for segment in segments if segment.tag == tag]
        assert all(a.end_s < b.start_s for a, b in pairwise(ours))
    assert all(0 <= s.start_s < s.end_s <= start_s + 1e-6 for s in segments)
    seconds = sum(segment.end_s - segment.start_s for segment in segments)
    assert seconds == pytest.approx(start_s)
