import numpy as np
import pytest

from benchmarks.segmentation.metrics import (
    count_film,
    difference,
    figures,
    iou,
    joined,
    macro_f1,
    macro_iou,
    matched,
    micro_f1,
    per_tag,
    worth,
)

TAGS = ("War", "Music", "Food")
TRUE = {"War": [(0.0, 10.0), (20.0, 30.0)], "Music": [(10.0, 20.0)]}
FOUND = {"War": [(2.0, 10.0), (10.5, 12.5), (25.0, 35.0)], "Food": [(0.0, 4.0)]}
"""War: 8 + 5 of 20 true seconds found, in 20 found ones; overlaps 8/10 and 5/15.

Boundaries of its two matched segments are off by (2 + 0) / 2 and (5 + 5) / 2 seconds.
"""


def film(found=FOUND, film_tags=("War", "Food")):
    return count_film(found, TRUE, film_tags, TAGS)


def test_overlap_is_shared_seconds_by_covered_seconds():
    assert iou((0, 10), (5, 15)) == pytest.approx(5 / 15)
    assert iou((0, 10), (10, 20)) == 0


def test_touching_and_overlapping_stretches_are_one():
    assert joined([(5, 7), (0, 2), (2, 4), (6, 9)]) == [(0, 4), (5, 9)]


def test_a_found_segment_is_matched_to_one_true_segment_only():
    assert matched([(0, 30)], [(0, 10), (12, 30)]) == [(0, 1, pytest.approx(0.6))]


def test_the_better_overlap_is_matched_first():
    pairs = matched([(0, 9), (9, 20)], [(0, 20)])
    assert pairs == [(1, 0, pytest.approx(11 / 20))]


def test_seconds_overlap_and_boundaries_of_a_tag_are_those_counted_by_hand():
    tags = per_tag(film())
    assert tags["precision"][0] == pytest.approx(13 / 20)
    assert tags["recall"][0] == pytest.approx(13 / 20)
    assert tags["f1"][0] == pytest.approx(13 / 20)
    assert tags["mean_iou"][0] == pytest.approx((8 / 10 + 5 / 15) / 2)
    assert tags["boundary_error_s"][0] == pytest.approx((1 + 5) / 2)


def test_a_tag_that_was_not_found_counts_as_zero_and_one_that_is_not_there_does_not_count():
    tags = per_tag(film())
    assert tags["f1"][1] == tags["recall"][1] == tags["mean_iou"][1] == 0
    assert all(np.isnan(values[2]) for values in tags.values())


def test_macro_is_the_mean_over_tags_and_micro_is_over_all_seconds():
    found = figures(film())
    assert found.f1 == pytest.approx(13 / 20 / 2)
    assert found.recall == pytest.approx(13 / 20 / 2)
    assert found.precision == pytest.approx(13 / 20)
    assert found.micro_precision == pytest.approx(13 / 24)
    assert found.micro_recall == pytest.approx(13 / 30)
    assert found.micro_f1 == pytest.approx(2 * 13 / (24 + 30))
    assert found.segment_ratio == pytest.approx(4 / 3)


def test_film_tags_are_judged_by_whether_the_tag_is_anywhere_in_the_film():
    found = figures(film())
    assert (found.film_precision, found.film_recall) == (0.5, 0.5)
    assert found.film_macro_precision == 1.0
    assert found.film_macro_recall == 0.5


def test_films_are_added_by_their_counts():
    both = figures(film() + film(TRUE, ("War", "Music")))
    assert both.micro_recall == pytest.approx((13 + 30) / 60)
    assert both.film_recall == pytest.approx(3 / 4)


def test_what_is_found_exactly_is_worth_one():
    assert worth(film(TRUE)) == pytest.approx(1.0)


def test_a_gain_that_every_film_shows_has_an_interval_above_zero():
    better, poorer = np.stack([film(TRUE)] * 5), np.stack([film()] * 5)
    gain, low, high = difference(better, poorer, draws=50)
    assert gain == pytest.approx(1 - worth(film()))
    assert low == pytest.approx(gain)
    assert high == pytest.approx(gain)
    assert difference(poorer, poorer, draws=50) == (0, 0, 0)


def test_each_measure_of_several_films_is_the_figure_of_their_sum():
    counts = film()
    found = figures(counts)
    assert macro_f1(counts) == pytest.approx(found.f1)
    assert micro_f1(counts) == pytest.approx(found.micro_f1)
    assert macro_iou(counts) == pytest.approx(found.mean_iou)
    assert micro_f1(np.stack([counts, film(TRUE)])) == pytest.approx([found.micro_f1, 1.0])
