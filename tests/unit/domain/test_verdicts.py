from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.library import Verdict
from app.domain.tags import Segment, TagScore
from app.domain.verdicts import (
    WHOLE_FILM,
    Scope,
    Target,
    VerdictRecord,
    apply_to_frame,
    apply_to_segments,
    of_film,
)

YES, NO = Verdict.ACCEPTED, Verdict.REJECTED
WAR = Segment("War", 10.0, 20.0, 0.6)
SEA = Segment("Beach/Sea", 0.0, 30.0, 0.4)


def said(verdict: Verdict, tag: str = "War", target: Target = WHOLE_FILM) -> VerdictRecord:
    return VerdictRecord("0", "f", tag, target, verdict, datetime(2026, 11, 23, tzinfo=UTC))


def stretch(verdict: Verdict, start_s: float, end_s: float, tag: str = "War") -> VerdictRecord:
    return said(verdict, tag, Target.segment(start_s, end_s))


def times(segments: list[Segment], tag: str = "War") -> list[tuple[float, float, str]]:
    return [(one.start_s, one.end_s, one.source) for one in segments if one.tag == tag]


def test_without_verdicts_the_model_is_right():
    assert apply_to_segments([WAR, SEA], []) == [SEA, WAR]


def test_a_tag_rejected_for_the_film_has_no_segments_not_even_human_ones():
    assert apply_to_segments([WAR, SEA], [stretch(YES, 1, 2), said(NO)]) == [SEA]


@pytest.mark.parametrize(
    ("start_s", "end_s", "left"),
    [
        (12, 15, [(10, 12, "model"), (15, 20, "model")]),
        (0, 15, [(15, 20, "model")]),
        (15, 99, [(10, 15, "model")]),
        (10, 20, []),
        (0, 99, []),
        (20, 30, [(10, 20, "model")]),
        (0, 10, [(10, 20, "model")]),
    ],
)
def test_a_rejected_stretch_is_cut_out(start_s: float, end_s: float, left: list[object]):
    found = apply_to_segments([WAR, SEA], [stretch(NO, start_s, end_s)])
    assert times(found) == left
    assert times(found, "Beach/Sea") == [(0.0, 30.0, "model")]


def test_an_accepted_stretch_stands_in_place_of_what_it_covers():
    found = apply_to_segments([WAR], [stretch(YES, 15, 25)])
    assert times(found) == [(10, 15, "model"), (15, 25, "human")]
    assert found[1].score == 1.0
    assert times(apply_to_segments([], [stretch(YES, 1, 2, "Robot")]), "Robot") == [(1, 2, "human")]


def test_the_later_verdict_wins_where_two_overlap():
    found = apply_to_segments([], [stretch(YES, 0, 10), stretch(NO, 4, 6)])
    assert times(found) == [(0, 4, "human"), (6, 10, "human")]
    assert times(apply_to_segments([], [stretch(NO, 4, 6), stretch(YES, 0, 10)])) == [
        (0, 10, "human")
    ]


def test_only_the_tags_that_are_asked_for_are_added():
    assert apply_to_segments([], [stretch(YES, 0, 1)], only=["Robot"]) == []


ends = st.tuples(st.integers(0, 50), st.integers(1, 50)).map(lambda p: (p[0], p[0] + p[1]))


@given(
    st.lists(ends, max_size=5),
    st.lists(st.tuples(st.sampled_from([YES, NO]), ends), max_size=6),
)
def test_each_moment_shows_what_was_said_of_it_last(
    model: list[tuple[int, int]], verdicts: list[tuple[Verdict, tuple[int, int]]]
):
    segments = [Segment("War", start, end, 0.5) for start, end in model]
    found = apply_to_segments(segments, [stretch(v, start, end) for v, (start, end) in verdicts])
    for moment in range(101):
        at = moment + 0.5
        last = next((v for v, (start, end) in reversed(verdicts) if start <= at < end), None)
        shown = {one.source for one in found if one.start_s <= at < one.end_s}
        by_model = any(start <= at < end for start, end in model)
        wanted = {YES: {"human"}, NO: set(), None: {"model"} if by_model else set()}[last]
        assert shown == wanted


def test_a_frames_tags_follow_the_verdict_on_it_and_on_no_other():
    tags = [TagScore("War", 0.6), TagScore("Robot", 0.2)]
    records = [
        said(NO, "War", Target.frame(3.04)),
        said(YES, "Food", Target.frame(3.04)),
        said(NO, "Robot", Target.frame(3.08)),
        said(NO, "Robot"),
        stretch(NO, 0, 9, "Robot"),
    ]
    assert apply_to_frame(tags, 3.04, records) == (
        TagScore("Food", 1.0, "human"), TagScore("Robot", 0.2),
    )  # fmt: skip
    assert apply_to_frame(tags, 3.0, records) == tuple(tags)


def test_verdicts_on_parts_are_not_on_the_film():
    assert of_film([stretch(NO, 0, 1), said(YES, "Robot")]) == {"Robot": YES}


@pytest.mark.parametrize("ends", [(2, 2), (3, 2), (-1, 2), (0, float("inf")), (float("nan"), 1)])
def test_a_stretch_ends_after_it_starts(ends: tuple[float, float]):
    with pytest.raises(ValueError, match="ends after"):
        Target.segment(*ends)


def test_a_frame_is_a_moment():
    assert Target.frame(2.5) == Target(Scope.FRAME, 2.5, 2.5)
