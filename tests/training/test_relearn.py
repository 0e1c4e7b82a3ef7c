import csv
import json
from pathlib import Path

import numpy as np
import pytest

from models.artifact import STARTER_DIR, load_artifact
from models.manifest import FEATURE_SIZE
from training.errors import BadDataError
from training.known import Known
from training.lessons import Lessons
from training.relearn import _calibrate, relearn

STARTER = load_artifact(STARTER_DIR, verify=False).manifest


def write_dataset(folder: Path, base_id: str, tags: str = "War", split: str = "train") -> Path:
    folder.mkdir()
    row = {"file": "a.jpg", "tags": tags, "rejected_tags": "", "split": split, "group": "film"}
    with (folder / "manifest.csv").open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, list(row))
        writer.writeheader()
        writer.writerow(row)
    np.save(folder / "features.npy", np.ones((1, FEATURE_SIZE), np.float16))
    (folder / "features.json").write_text(json.dumps({"base_id": base_id}))
    return folder


def test_features_of_another_base_are_refused(tmp_path):
    data = write_dataset(tmp_path / "data", "0123456789abcdef")
    with pytest.raises(BadDataError, match="start from a model with that base"):
        relearn(data, STARTER_DIR, tmp_path / "out", Lessons(), version="x")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("tags", "split"), [("Horror", "train"), ("War", "test")])
def test_dataset_without_a_trained_tag_to_learn_from_is_refused(tmp_path, tags, split):
    data = write_dataset(tmp_path / "data", STARTER.base_id, tags, split)
    with pytest.raises(BadDataError, match="no key frame of the train split has a verdict"):
        relearn(data, STARTER_DIR, tmp_path / "out", Lessons(), version="x")


def test_threshold_is_fitted_anew_only_where_enough_is_known_of_both_kinds():
    count, tags = 10, len(STARTER.tags)
    war, food = STARTER.tags.index("War"), STARTER.tags.index("Food")
    holds, holds_not = np.zeros((count, tags), np.float32), np.zeros((count, tags), np.float32)
    holds[:5, war], holds_not[5:, war], holds[:, food] = 1, 1, 1
    scores = np.zeros((count, tags), np.float32)
    scores[:, war] = np.linspace(0.9, 0.0, count)
    judge = Known(np.zeros((count, FEATURE_SIZE), np.float16), holds, holds_not)

    fitted = _calibrate(STARTER, judge, scores)

    old = STARTER.calibration
    assert fitted.thresholds["War"] == pytest.approx(0.45, abs=1e-3)
    assert fitted.thresholds | {"War": 0} == old.thresholds | {"War": 0}
    assert fitted.temperature == old.temperature
