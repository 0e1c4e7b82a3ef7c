import csv

import numpy as np

from training.confusion import confusion_matrix, strongest_pairs, write_matrix

TAGS = ("War", "Food", "Music")
SCORES = np.array(
    [[0.8, 0.1, 0.1], [0.1, 0.7, 0.2], [0.2, 0.7, 0.1], [0.1, 0.1, 0.8], [0.1, 0.6, 0.3]],
    np.float32,
)
TRUTH = np.array([[1, 0, 0], [1, 0, 1], [1, 0, 0], [1, 0, 1], [0, 1, 1]], np.float32)


def test_a_picture_with_two_tags_that_is_taken_for_a_third_counts_for_both():
    matrix = confusion_matrix(SCORES, TRUTH)
    # The fourth is found as Music, its War is no mistake; the fifth likewise as Food.
    assert matrix.tolist() == [[1, 2, 0], [0, 1, 0], [0, 1, 1]]


def test_strongest_pairs_come_first_with_their_share():
    found = strongest_pairs(confusion_matrix(SCORES, TRUTH), TRUTH, TAGS)
    assert found == [
        {"tag": "War", "taken_for": "Food", "pictures": 2, "share": 0.5},
        {"tag": "Music", "taken_for": "Food", "pictures": 1, "share": 0.333333},
    ]


def test_matrix_can_be_read_as_a_table(tmp_path):
    write_matrix(tmp_path / "confusion.csv", confusion_matrix(SCORES, TRUTH), TAGS)
    with (tmp_path / "confusion.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["tag"] for row in rows] == list(TAGS)
    assert rows[0]["Food"] == "2"
