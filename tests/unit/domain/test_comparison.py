import pytest

from app.domain.comparison import TagFigures, compare

OLD = {
    "hit_at_1": 0.5,
    "macro_map": 0.3,
    "per_tag": {
        "War": {"ap": 0.5, "precision": 0.6, "recall": 0.4, "support": 20},
        "Food": {"ap": 0.4, "precision": None, "recall": 0.0, "support": 7},
        "Robot": {"ap": 0.9, "precision": 0.9, "recall": 0.9, "support": 30},
        "Forest": {"ap": 0.1, "precision": 0.1, "recall": 0.1, "support": 10},
    },
}
NEW = {
    "hit_at_1": 0.6,
    "macro_map": None,
    "per_tag": {
        "War": {"ap": 0.7, "precision": 0.5, "recall": 0.6, "support": 20},
        "Food": {"ap": 0.3, "precision": 0.2, "recall": 0.3, "support": 7},
        "Forest": {"ap": 0.1, "precision": 0.1, "recall": 0.1, "support": 10},
        "Desert": {"ap": 0.8, "precision": 0.8, "recall": 0.8, "support": 12},
    },
}


def test_tags_stand_by_what_they_gain_and_those_of_one_model_at_the_end() -> None:
    found = compare(
        OLD, NEW, ["War", "Food", "Robot", "Forest"], ["War", "Food", "Forest", "Desert"]
    )
    assert [change.tag for change in found.tags] == ["War", "Forest", "Food", "Desert", "Robot"]
    gains = [change.gain for change in found.tags]
    assert gains[:3] == pytest.approx([0.2, 0.0, -0.1])
    assert gains[3:] == [None, None]
    assert (found.only_before, found.only_after) == (["Robot"], ["Desert"])
    assert found.tags[0].before == TagFigures(0.5, 0.6, 0.4, 20)
    assert found.tags[2].before == TagFigures(0.4, None, 0.0, 7)


def test_totals_stand_side_by_side_and_may_be_missing() -> None:
    totals = compare(OLD, NEW, ["War"], ["War"]).totals
    assert totals["hit_at_1"] == (0.5, 0.6)
    assert totals["macro_map"] == (0.3, None)
    assert totals["hit_at_3"] == (None, None)


def test_other_numbers_of_test_pictures_are_noticed() -> None:
    other = {"per_tag": {"War": {"ap": 0.7, "precision": 0.5, "recall": 0.6, "support": 21}}}
    assert compare(OLD, NEW, ["War"], ["War"]).is_same_test
    assert not compare(OLD, other, ["War"], ["War"]).is_same_test


@pytest.mark.parametrize(
    "metrics",
    [{}, {"per_tag": None}, {"per_tag": {"War": 3}}, {"per_tag": {"War": {"ap": "high"}}}],
    ids=["empty", "null", "no figures", "words"],
)
def test_model_without_figures_is_one_that_was_not_measured(metrics: dict[str, object]) -> None:
    found = compare(metrics, NEW, ["War"], ["War", "Food"])
    assert [(change.tag, change.gain) for change in found.tags] == [("War", None), ("Food", None)]
    assert found.tags[0].before == TagFigures()
