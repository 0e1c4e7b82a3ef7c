import numpy as np

from app.domain.tags import TagScore, top_tags

TAGS = ("War", "Music", "Food", "Dance")


def row(*scores: float) -> np.ndarray:
    return np.array(scores, np.float32)


def test_top_tags_stand_best_first():
    assert top_tags(row(0.125, 0.5, 0.25, 0.125), TAGS, 2) == [
        TagScore("Music", 0.5),
        TagScore("Food", 0.25),
    ]


def test_equal_scores_keep_the_order_of_the_vocabulary():
    assert [tag.tag for tag in top_tags(row(0.25, 0.25, 0.25, 0.25), TAGS)] == [
        "War",
        "Music",
        "Food",
    ]


def test_a_score_of_zero_is_no_tag():
    assert [tag.tag for tag in top_tags(row(0, 1, 0, 0), TAGS)] == ["Music"]
