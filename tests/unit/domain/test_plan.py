import pytest

from app.domain.plan import cut_into_spans, join_spans
from app.domain.shots import Span


def test_film_without_length_is_one_open_stretch() -> None:
    assert cut_into_spans(None, 60) == (Span(0, None),)


@pytest.mark.parametrize("duration_s", [0.04, 5, 60, 89.9])
def test_short_film_is_one_open_stretch(duration_s: float) -> None:
    assert cut_into_spans(duration_s, 60) == (Span(0, None),)


@pytest.mark.parametrize("duration_s", [90.1, 120, 3600, 3631.5, 12 * 3600])
def test_stretches_follow_each_other_without_gap_and_the_last_is_open(duration_s: float) -> None:
    spans = cut_into_spans(duration_s, 60)

    assert spans[0].start_s == 0
    assert [span.end_s for span in spans[:-1]] == [span.start_s for span in spans[1:]]
    assert spans[-1].end_s is None


@pytest.mark.parametrize("duration_s", [90.1, 149, 151, 3629, 3631])
def test_last_stretch_is_neither_a_sliver_nor_two(duration_s: float) -> None:
    last_s = duration_s - cut_into_spans(duration_s, 60)[-1].start_s

    assert 30 <= last_s <= 90


def test_neighbouring_stretches_are_joined_up_to_a_size() -> None:
    spans = [Span(0, 10), Span(10, 20), Span(20, 30), Span(30, None)]
    assert join_spans(spans, [3, 3, 3, 3], 6) == (Span(0, 20), Span(20, None))
    assert join_spans(spans, [3, 0, 9, 1], 6) == (Span(0, 20), Span(20, 30), Span(30, None))
    assert join_spans(spans, [1, 1, 1, 1], 100) == (Span(0, None),)
    assert join_spans([], [], 5) == ()
