"""Evaluating a small real artifact on drawn pictures, without TensorFlow."""

import csv
import json

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from models.manifest import Calibration
from tests.artifacts import write_artifact
from tests.fakes import make_manifest
from tests.training.conftest import DRAWN_TAGS
from training.cli import app
from training.dataset import read_collection
from training.errors import BadDataError
from training.evaluate import evaluate, score_split, tags_learned
from training.scoring import CpuNetwork, scores_of_views
from training.store import read_network_inputs


@pytest.fixture(scope="module")
def artifact(tmp_path_factory):
    manifest = make_manifest(
        tags=DRAWN_TAGS, calibration=Calibration(temperature=0.8, thresholds={"War": 0.3})
    )
    return write_artifact(tmp_path_factory.mktemp("artifact"), manifest)


def spoken(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["evaluate", *map(str, arguments)])
    return result.exit_code, " ".join(result.output.split())


def test_files_hold_what_was_measured(artifact, drawn_data, tmp_path):
    found = evaluate(artifact, read_collection(drawn_data), "validation", tmp_path / "out")
    written = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert written == found.metrics
    assert (written["split"], written["pictures"], written["views"]) == ("validation", 4, 1)
    assert written["calibration"]["temperature"] == 0.8
    assert sum(b["count"] for b in written["calibration"]["best_tag"]["bins"]) == 4
    with (tmp_path / "out" / "confusion.csv").open(newline="") as stream:
        counted = sum(int(row[tag]) for row in csv.DictReader(stream) for tag in DRAWN_TAGS)
    assert counted == 4, "each picture has one tag: it is found or taken for one other"


def test_tags_without_a_threshold_are_named_with_the_rule_used(artifact, drawn_data):
    found = evaluate(artifact, read_collection(drawn_data), "validation", None).metrics
    assert found["thresholds"]["default_tags"] == ["Animal", "Beach/Sea", "Desert"]
    assert "twice chance" in found["thresholds"]["default_rule"]
    limits = {tag: row["threshold"] for tag, row in found["per_tag"].items()}
    assert limits == {"Animal": 0.5, "Beach/Sea": 0.5, "Desert": 0.5, "War": 0.3}


def test_mirrored_view_is_averaged_in(artifact, drawn_data, tmp_path):
    collection = read_collection(drawn_data)
    both = score_split(
        artifact.path, artifact.manifest, collection, "validation", mirror_views=True
    )
    files = []
    for picture in both.pictures:  # what the network says of files that are mirrored
        files.append(tmp_path / picture.file.name)
        cv2.imwrite(str(files[-1]), cv2.flip(cv2.imread(str(picture.file)), 1))
    network = CpuNetwork(artifact.path)
    plain, mirrored = (
        network(read_network_inputs(some, artifact.manifest.preprocessing)[0])[0]
        for some in ([p.file for p in both.pictures], files)
    )
    assert np.abs(plain - mirrored).max() > 0.02
    np.testing.assert_allclose(both.scores, (plain + mirrored) / 2, atol=0.01)
    np.testing.assert_allclose(both.scores.sum(axis=1), 1, rtol=1e-4)


def test_views_are_averaged_in_every_part_of_a_long_split(artifact):
    spec = artifact.manifest.preprocessing
    rng = np.random.default_rng(3)
    inputs = rng.integers(0, 255, (300, spec.height_px, spec.width_px, 3), np.uint8)
    network = CpuNetwork(artifact.path)
    found = scores_of_views(network, inputs, mirror_views=True)
    turned = np.ascontiguousarray(inputs[:, :, ::-1])
    np.testing.assert_allclose(
        found, scores_of_views(network, turned, mirror_views=True), atol=1e-6
    )
    assert np.abs(found - scores_of_views(network, inputs)).max() > 1e-3


def test_tags_with_few_pictures_are_neither_learned_nor_not():
    rows = {
        "War": {"ap": 0.5, "support": 20},
        "Food": {"ap": 0.49, "support": 200},
        "Music": {"ap": 1.0, "support": 19},
        "Robot": {"ap": None, "support": 0},
    }
    found = tags_learned(rows)
    assert (found["learned"], found["not_learned"]) == (["War"], ["Food"])
    assert found["not_to_be_told"] == ["Music", "Robot"]


def test_a_split_without_pictures_of_the_model_is_refused(drawn_data, tmp_path):
    manifest = make_manifest(tags=("Robot", "Food"), calibration=Calibration())
    other = write_artifact(tmp_path / "other", manifest)
    with pytest.raises(BadDataError, match="no readable picture with a tag of this model"):
        evaluate(other, read_collection(drawn_data), "validation", None)


def test_command_prints_figures_and_writes_nothing_without_out(artifact, drawn_data, tmp_path):
    code, said = spoken(artifact.path, "--data", drawn_data, "--split", "validation")
    assert code == 0, said
    assert "validation split, 4 pictures" in said
    assert "tags learned: 0 of 4; 4 have too few pictures to tell" in said


def test_command_sets_the_network_against_the_baseline(artifact, drawn_data, tmp_path):
    code, said = spoken(
        artifact.path, "--data", drawn_data, "--split", "validation", "--baseline",
        "--mirror-views", "--out", tmp_path,
    )  # fmt: skip
    assert code == 0, said
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert metrics["views"] == 2
    assert f"network over baseline: {metrics['baseline']['ratio']:.3f}" in said


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--report",), "--report needs --out"),
        (("--run", "."), "--run is for --report"),
        (("--split", "tomorrow"), "the split is one of train, validation, test"),
    ],
    ids=["report", "run", "split"],
)
def test_options_that_do_not_go_together_are_usage_errors(artifact, drawn_data, options, message):
    code, said = spoken(artifact.path, "--data", drawn_data, *options)
    assert code == 2
    assert message in said


def test_a_run_without_a_log_is_told_before_anything_is_measured(artifact, drawn_data, tmp_path):
    code, said = spoken(
        artifact.path,
        "--data",
        drawn_data,
        "--report",
        "--out",
        tmp_path / "out",
        "--run",
        tmp_path,
    )
    assert code == 1
    assert "not the log of a run" in said
    assert not (tmp_path / "out").exists()
