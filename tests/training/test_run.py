"""A whole small life: train on eight drawn pictures, resume after a kill, export, load, measure."""

import json
import shutil
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from models.artifact import BadArtifactError, load_artifact
from models.cpu_form import read_cpu_weights
from models.preprocessing import to_network_input
from tests.training.conftest import draw_picture
from tests.training.one_run import stored_weights
from training.config import TrainConfig
from training.dataset import read_collection
from training.errors import BadConfigError, BaseWeightsError, CheckpointError, ExportError

pytestmark = pytest.mark.slow

SMALL = TrainConfig(input_px=75, start_px=75, epochs=1, batch_size=8, hidden_units=16, mixup=0.1)


@pytest.fixture(scope="module")
def finished(drawn_data, tmp_path_factory):
    """One training step on eight pictures with the whole network, exported."""
    from training.export import export_artifact
    from training.publication import Publication
    from training.train import train

    run_dir = tmp_path_factory.mktemp("run")
    collection = read_collection(drawn_data)
    lines: list[str] = []
    network, state = train(collection, SMALL, run_dir, say=lines.append)
    publication = Publication("drawn-1", "none needed", "test")
    artifact = export_artifact(network, collection, SMALL, run_dir / "artifact", publication, state)
    return SimpleNamespace(
        run_dir=run_dir, collection=collection, network=network, state=state, lines=lines,
        artifact=artifact,
    )  # fmt: skip


def test_one_step_is_logged_and_checkpointed(finished):
    assert (finished.state.epoch, finished.state.step) == (1, 1)
    assert "epoch 1/1 at 75 px" in finished.lines[-1]
    log = (finished.run_dir / "log.csv").read_text().splitlines()
    assert len(log) == 2
    assert log[0].startswith("loss,")


def test_layers_compute_in_bfloat16_and_keep_float32_weights(finished):
    layer = finished.network.get_layer("mixed10")
    kernel = finished.network.layers[2].weights[0]
    assert (layer.compute_dtype, kernel.dtype) == ("bfloat16", "float32")


def test_artifact_is_whole_and_says_what_it_is(finished):
    artifact = load_artifact(finished.artifact.path)
    manifest = artifact.manifest
    assert (manifest.version, manifest.tags) == ("drawn-1", finished.collection.tags)
    assert manifest.preprocessing.width_px == 75
    assert manifest.metrics["hit_at_3"] == pytest.approx(
        json.loads(artifact.file("metrics.json").read_text())["hit_at_3"]
    )
    assert [(s.name, s.pictures) for s in manifest.data_sources] == [("Drawn", 8)]
    card = artifact.file("MODEL_CARD.md").read_text()
    assert "Figures, test split (4 pictures)" in card
    assert "75 x 75 px" in card
    assert "from random weights, 1 epochs at 75 px" in card


def test_stock_keras_loads_the_network_and_both_forms_agree(finished):
    import keras

    from training.scoring import CpuNetwork

    artifact = finished.artifact
    inputs = np.stack(
        [to_network_input(draw_picture(k, 7), artifact.manifest.preprocessing) for k in range(4)]
    )
    network = keras.models.load_model(artifact.file("network.keras"), compile=False)
    both = keras.Model(network.input, [network.output, network.get_layer("features").output])
    scores, features = (np.asarray(output) for output in both(inputs, training=False))
    cpu_scores, cpu_features = CpuNetwork(artifact.path)(inputs)
    np.testing.assert_allclose(cpu_scores, scores, atol=1e-4)
    np.testing.assert_allclose(cpu_features, features, atol=1e-3 * max(1, features.max()))
    assert (cpu_scores.shape, cpu_features.shape) == ((4, 5), (4, 2048))
    np.testing.assert_allclose(cpu_scores.sum(axis=1), 1, rtol=1e-4)


def test_evaluating_the_artifact_gives_the_figures_it_was_published_with(
    finished, drawn_data, tmp_path
):
    from typer.testing import CliRunner

    from training.cli import app

    arguments = ["evaluate", finished.artifact.path, "--data", drawn_data, "--out", tmp_path]
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output
    assert "test split, 4 pictures" in " ".join(result.output.split())
    published = json.loads(finished.artifact.file("metrics.json").read_text())
    assert json.loads((tmp_path / "metrics.json").read_text()) == published


def test_base_id_survives_saving_and_the_base_can_be_used_again(finished):
    from training.network import base_id, base_weights, load_base, new_network

    other = new_network(replace(SMALL, seed=9), 3)
    assert base_id(other) != finished.artifact.manifest.base_id
    load_base(other, str(finished.artifact.path))
    assert base_id(other) == finished.artifact.manifest.base_id
    # The head stays its own: it has another number of tags.
    assert len(base_weights(other)) == len(base_weights(finished.network))


def test_base_that_is_not_there_is_refused(finished, tmp_path):
    from training.network import freeze_below, load_base

    with pytest.raises(BaseWeightsError, match="no such file"):
        load_base(finished.network, str(tmp_path / "weights.h5"))
    (tmp_path / "weights.h5").write_bytes(b"nothing")
    with pytest.raises(BaseWeightsError, match="not weights of an Inception-v3 base"):
        load_base(finished.network, "imagenet", tmp_path / "weights.h5")
    with pytest.raises(BaseWeightsError, match="blocks end at mixed0"):
        freeze_below(finished.network, "mixed99")


@pytest.mark.parametrize(
    ("saved", "cpu"), [(0.1, 0.1), (0.0, 0.01)], ids=["saved network", "CPU form"]
)
def test_forms_that_disagree_are_not_sealed(saved, cpu):
    from training.export import compare_forms

    reference, features = np.eye(4, dtype=np.float32) / 2, np.ones((4, 8), np.float32)
    compare_forms(reference, (reference, features), (reference + 1e-4, features))
    with pytest.raises(ExportError, match="disagree"):
        compare_forms(
            reference, (reference + np.float32(saved), features), (reference + cpu, features)
        )


def test_damaged_weights_are_named(finished, tmp_path):
    shutil.copytree(finished.artifact.path, tmp_path / "copy")
    (tmp_path / "copy" / "network.weights.json").write_text('["layers/none/vars/0"]')
    with pytest.raises(BadArtifactError, match=r"network\.weights\.json is not the file"):
        load_artifact(tmp_path / "copy")
    with pytest.raises(BadArtifactError, match="the CPU form cannot be read"):
        read_cpu_weights(load_artifact(tmp_path / "copy", verify=False))


def test_same_directory_with_other_choices_is_refused(finished):
    from training.train import train

    with pytest.raises(BadConfigError, match=r"dropout was 0\.4, now 0\.1"):
        train(finished.collection, replace(SMALL, dropout=0.1), finished.run_dir)


def test_exporting_what_is_no_run_is_refused(tmp_path):
    from training.train import load_trained

    with pytest.raises(CheckpointError, match="is this the directory of a run"):
        load_trained(tmp_path, SMALL)


def test_head_learns_alone_on_features_that_are_computed_once(finished, tmp_path):
    from training.features import read_features, train_head
    from training.network import base_id, load_base, new_network
    from training.train import read_train_data

    config = replace(SMALL, head_epochs=3, precision="float32")
    batches = read_train_data(finished.collection, config, tmp_path).batches
    network = new_network(config, len(finished.collection.tags))
    load_base(network, str(finished.artifact.path))
    before = base_id(network), network.get_layer("logits").get_weights()[0]

    train_head(network, batches, config, tmp_path / "cache")
    assert base_id(network) == before[0]
    assert (network.get_layer("logits").get_weights()[0] != before[1]).any()

    cached = sorted((tmp_path / "cache").glob("features-*.npy"))
    assert len(cached) == 2  # plain and mirrored
    plain = read_features(network, batches.store, "plain", 75, tmp_path / "cache")
    assert (plain.shape, plain.dtype) == ((8, 2048), np.float16)
    marked = np.zeros_like(plain)
    for file in cached:
        np.save(file, marked)
    again = read_features(network, batches.store, "plain", 75, tmp_path / "cache")
    np.testing.assert_array_equal(again, marked)


class Killed(BaseException):
    """Stands for kill -9: nothing in the run may catch it."""


@pytest.mark.parametrize("average", [0.0, 0.9])
def test_a_killed_run_goes_on_at_the_same_epoch_with_the_same_result(drawn_data, tmp_path, average):
    from training.train import train

    collection = read_collection(drawn_data)
    # Only the upper end learns: what is tested is the resuming, not the base.
    config = replace(
        SMALL, epochs=2, batch_size=2, unfreeze_from="mixed10", precision="float32", average=average
    )

    def kill(epoch: int, step: int, steps: int, loss: float) -> None:
        if (epoch, step) == (2, 1):
            raise Killed

    whole, whole_state = train(collection, config, tmp_path / "whole")
    with pytest.raises(Killed):
        train(collection, config, tmp_path / "killed", watch=kill)
    (tmp_path / "killed" / "checkpoints" / "part").mkdir()  # as if killed while saving

    lines: list[str] = []
    resumed, state = train(collection, config, tmp_path / "killed", say=lines.append)
    assert lines[0] == "resumed after epoch 1"
    assert (state.epoch, state.step, state.best_epoch) == (2, 8, whole_state.best_epoch)
    for one, other in zip(whole.get_weights(), resumed.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)
    last = [
        stored_weights(tmp_path / run / "checkpoints" / "epoch-0002") for run in ("whole", "killed")
    ]
    assert list(last[0]) == list(last[1])
    for name, one in last[0].items():
        np.testing.assert_allclose(one, last[1][name], rtol=1e-5, atol=1e-6)
    losses = [[row["loss"] for row in run.history] for run in (whole_state, state)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)
