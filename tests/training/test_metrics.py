import numpy as np
import pytest
from sklearn.metrics import average_precision_score, f1_score, precision_recall_curve

from training.calibration import calibration, calibration_curve, fit_temperature, fit_thresholds
from training.metrics import (
    average_precision,
    best_f1_threshold,
    hit_at,
    measure,
    measure_known,
    precision_recall,
    precision_threshold,
)

SCORES = np.array([[0.7, 0.2, 0.1], [0.3, 0.6, 0.1], [0.5, 0.4, 0.1], [0.1, 0.2, 0.7]], np.float32)
TRUTH = np.array([[1, 0, 0], [1, 0, 0], [0, 1, 0], [0, 1, 1]], np.float32)


def test_hits_are_counted_as_by_hand():
    # Best tags are 0, 1, 0, 2: right for the first and the last picture.
    assert hit_at(SCORES, TRUTH, 1) == 0.5
    assert hit_at(SCORES, TRUTH, 2) == 1.0


def test_figures_are_those_computed_by_hand():
    found = measure(SCORES, TRUTH, ("a", "b", "c"), (0.5, 0.5, 0.5))
    # a: ranked 0.7 yes, 0.5 no, 0.3 yes, 0.1 no -> (1 + 2/3) / 2
    assert found["per_tag"]["a"] == {
        "ap": pytest.approx(5 / 6, abs=1e-6), "precision": 0.5, "recall": 0.5, "f1": 0.5,
        "support": 2,
    }  # fmt: skip
    # b: ranked 0.6 no, 0.4 yes, then 0.2 twice, one of them yes -> (1/2 + 2/4) / 2
    assert found["per_tag"]["b"]["ap"] == pytest.approx(0.5)
    assert found["per_tag"]["c"] == {
        "ap": 1.0, "precision": 1.0, "recall": 1.0, "f1": 1.0, "support": 1,
    }  # fmt: skip
    assert found["macro_map"] == pytest.approx((5 / 6 + 0.5 + 1) / 3, abs=1e-6)
    assert found["macro_map_min20"] is None
    assert (found["hit_at_1"], found["hit_at_3"], found["pictures"]) == (0.5, 1.0, 4)
    # b is believed once and wrongly; of all pairs 4 are believed, 2 of them right, 5 are true.
    assert found["macro_f1"] == pytest.approx((0.5 + 0 + 1) / 3, abs=1e-6)
    assert found["micro_f1"] == pytest.approx(2 * 2 / (4 + 5), abs=1e-6)


def test_average_precision_agrees_with_scikit_learn():
    rng = np.random.default_rng(0)
    for _ in range(20):
        scores = rng.integers(0, 12, 60).astype(np.float32) / 12
        truth = (rng.random(60) < 0.3).astype(np.float32)
        wanted = average_precision_score(truth, scores)
        assert average_precision(scores, truth) == pytest.approx(wanted)


def test_a_tag_without_pictures_has_no_figures_and_no_say():
    found = measure(SCORES[:2], TRUTH[:2], ("a", "b", "c"), (0.5, 0.5, 0.5))
    assert found["per_tag"]["c"] == {
        "ap": None, "precision": None, "recall": None, "f1": None, "support": 0,
    }  # fmt: skip
    assert found["macro_map"] == found["per_tag"]["a"]["ap"]
    assert found["macro_f1"] == found["per_tag"]["a"]["f1"]


def test_f1_of_every_tag_and_of_all_agrees_with_scikit_learn():
    rng = np.random.default_rng(1)
    scores = rng.random((80, 6)).astype(np.float32)
    truth = (rng.random((80, 6)) < 0.3).astype(np.float32)
    limits = (0.2, 0.4, 0.5, 0.6, 0.8, 0.9)
    found = measure(scores, truth, "abcdef", limits)
    believed = scores >= np.array(limits)
    for name in ("macro", "micro"):
        wanted = f1_score(truth, believed, average=name, zero_division=0)
        assert found[f"{name}_f1"] == pytest.approx(wanted, abs=1e-6)


def test_points_of_the_curve_are_those_of_scikit_learn():
    rng = np.random.default_rng(4)
    scores = rng.integers(0, 9, 50).astype(np.float32) / 9
    truth = (rng.random(50) < 0.4).astype(np.float32)
    recall, precision = precision_recall(scores, truth)
    wanted_precision, wanted_recall, _ = precision_recall_curve(truth, scores)
    np.testing.assert_allclose(precision[::-1], wanted_precision[:-1])
    np.testing.assert_allclose(recall[::-1], wanted_recall[:-1])


def test_threshold_stands_where_f1_is_best():
    scores = np.array([0.9, 0.8, 0.6, 0.2], np.float32)
    truth = np.array([1, 1, 0, 0], np.float32)
    assert best_f1_threshold(scores, truth) == pytest.approx(0.7)
    assert best_f1_threshold(scores, np.zeros(4, np.float32)) is None


def test_thin_tags_get_the_threshold_of_the_others():
    scores = np.linspace(1, 0, 20, dtype=np.float32)[:, None].repeat(2, axis=1)
    truth = np.zeros((20, 2), np.float32)
    truth[:8, 0] = 1
    truth[:2, 1] = 1
    found = fit_thresholds(scores, truth, ("War", "Wedding"))
    assert found["War"] == found["Wedding"]


def test_threshold_for_a_precision_is_the_lowest_that_reaches_it():
    scores = np.array([0.9, 0.8, 0.6, 0.5, 0.2], np.float32)
    truth = np.array([1, 0, 1, 1, 0], np.float32)
    assert precision_threshold(scores, truth, 0.75) == pytest.approx(0.35)
    assert precision_threshold(scores, truth, 1.0) == pytest.approx(0.85)
    assert precision_threshold(scores, 1 - truth, 0.9) is None


def test_asked_precision_is_reached_on_the_validation_split_wherever_it_can_be():
    rng = np.random.default_rng(6)
    truth = (rng.random((400, 3)) < 0.3).astype(np.float32)
    scores = (truth * 0.3 + rng.random((400, 3)) * 0.7).astype(np.float32)
    tags = ("War", "Food", "Music")
    scores[:, 2] = np.where(truth[:, 2] > 0, 0.1, 0.2)  # never right: the best F1 is taken
    chosen = fit_thresholds(scores, truth, tags, precision=0.8)
    found = measure(scores, truth, tags, [chosen[tag] for tag in tags])["per_tag"]
    assert min(found["War"]["precision"], found["Food"]["precision"]) >= 0.8
    assert chosen["Music"] == fit_thresholds(scores, truth, tags)["Music"]
    assert chosen["War"] != fit_thresholds(scores, truth, tags)["War"]


def test_curve_tells_by_how_much_scores_boast():
    scores = np.array([0.95] * 10 + [0.35] * 10, np.float32)
    truth = np.array([1] * 6 + [0] * 4 + [1] * 3 + [0] * 7, np.float32)
    found = calibration_curve(scores, truth)
    assert [(item["count"], item["share"]) for item in found["bins"]] == [(10, 0.3), (10, 0.6)]
    assert found["ece"] == pytest.approx((0.05 + 0.35) / 2, abs=1e-6)
    assert calibration_curve(np.ones(3, np.float32), np.ones(3, np.float32))["ece"] == 0.0


def test_best_tags_are_right_when_they_are_among_the_pictures_own():
    found = calibration(SCORES, TRUTH)
    # Best scores 0.7, 0.6, 0.5, 0.7: the two of 0.7 are right.
    assert sum(item["count"] for item in found["best_tag"]["bins"]) == 4
    assert found["best_tag"]["ece"] == pytest.approx((2 * 0.3 + 0.6 + 0.5) / 4, abs=1e-6)
    assert sum(item["count"] for item in found["pairs"]["bins"]) == 12


@pytest.mark.parametrize("head", ["softmax", "sigmoid"])
def test_temperature_undoes_overconfidence(head):
    rng = np.random.default_rng(2)
    logits = rng.normal(0, 2, (4000, 5)).astype(np.float32)
    if head == "softmax":
        chances = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        truth = np.stack([rng.multinomial(1, row / (row.sum() + 1e-6)) for row in chances])
    else:
        truth = rng.random(logits.shape) < 1 / (1 + np.exp(-logits))
    found = fit_temperature(logits * 2, truth.astype(np.float32), head)
    assert found == pytest.approx(2.0, rel=0.1)


def test_known_figures_leave_out_what_is_unknown():
    scores = np.array([[0.9, 0.1], [0.2, 0.8], [0.7, 0.3], [0.99, 0.0]], np.float32)
    holds = np.array([[1, 0], [0, 1], [0, 0], [0, 0]], np.float32)
    holds_not = np.array([[0, 0], [1, 0], [1, 0], [0, 0]], np.float32)
    found = measure_known(scores, holds, holds_not, ("War", "Food"), (0.5, 0.5))
    assert found["per_tag"]["War"] == {
        "ap": 1.0, "precision": 0.5, "recall": 1.0, "f1": pytest.approx(2 / 3, abs=1e-6),
        "support": 1,
    }  # fmt: skip
    # Believed and known: War twice, Food once; both that hold are among them.
    assert found["micro_f1"] == pytest.approx(2 * 2 / (3 + 2))
    assert found["per_tag"]["Food"]["ap"] is None, "no frame is known to be without it"
    assert found["hit_at_1"] == 1.0
    assert found["macro_map"] == 1.0


def test_known_figures_of_negatives_alone_exist_no_more_than_a_ranking():
    scores, nothing = np.array([[0.9], [0.2]], np.float32), np.zeros((2, 1), np.float32)
    found = measure_known(scores, nothing, nothing + 1, ("War",), (0.5,))
    assert (found["hit_at_1"], found["macro_map"], found["micro_map"]) == (None, None, None)
    assert found["per_tag"]["War"]["precision"] == 0.0
