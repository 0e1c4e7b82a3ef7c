from pathlib import Path

import numpy as np
import pytest

from app.errors import ArtifactError
from app.inference import classifier
from app.inference.classifier import (
    batch_sizes_of,
    choose_engine,
    has_nvidia_device,
    open_artifact,
)
from models.artifact import (
    CPU_CONSTANTS_FILE,
    CPU_GRAPH_FILE,
    CPU_WEIGHTS_FILE,
    NETWORK_FILE,
    Artifact,
)
from models.preprocessing import to_network_inputs
from tests.artifacts import write_artifact
from tests.fakes import FakeEngine, drawn_picture, head_of, make_manifest


@pytest.fixture
def artifact(tmp_path: Path) -> Artifact:
    return write_artifact(tmp_path / "model")


def test_openvino_computes_what_the_graph_says(artifact: Artifact) -> None:
    inputs = to_network_inputs(
        [drawn_picture(seed) for seed in range(20)], artifact.manifest.preprocessing
    )
    found = choose_engine(artifact, "openvino", "fp32").infer(inputs)
    wanted = FakeEngine().infer(inputs)
    np.testing.assert_allclose(found.scores, wanted.scores, atol=1e-5)
    np.testing.assert_allclose(found.features, wanted.features, atol=1e-3)


def test_without_a_gpu_auto_means_openvino(
    artifact: Artifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    assert choose_engine(artifact).device.startswith("openvino:CPU:")


def test_gpu_that_tensorflow_does_not_see_means_openvino(
    artifact: Artifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(classifier, "_tensorflow_sees_gpu", lambda: False)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    assert choose_engine(artifact).device.startswith("openvino:CPU:")


@pytest.mark.parametrize("hidden", ["", "-1", " "], ids=["empty", "minus one", "blank"])
def test_hidden_gpu_is_no_gpu(hidden: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", hidden)
    assert not has_nvidia_device()


def test_named_gpu_is_worth_a_look(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    assert has_nvidia_device()


def test_tensorflow_that_is_not_installed_is_told_with_the_remedy(
    artifact: Artifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(classifier, "_has_tensorflow", lambda: False)
    with pytest.raises(ArtifactError, match="REELTAG_ENGINE=openvino"):
        choose_engine(artifact, "tensorflow")


def test_missing_artifact_is_told_with_its_path(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="nowhere"):
        open_artifact(tmp_path / "nowhere")


def test_changed_file_is_told_with_its_name(artifact: Artifact) -> None:
    artifact.file(CPU_GRAPH_FILE).write_text("<net/>")
    with pytest.raises(ArtifactError, match=r"network\.xml .*checksum"):
        open_artifact(artifact.path)


@pytest.mark.parametrize(
    ("file", "content"),
    [
        (CPU_GRAPH_FILE, b"<net/>"),
        (CPU_GRAPH_FILE, b"\x00 not a graph"),
        (CPU_CONSTANTS_FILE, b""),
        (CPU_WEIGHTS_FILE, b'["layers/dense/vars/0"]'),
        (CPU_WEIGHTS_FILE, b"{"),
        (NETWORK_FILE, b"not a zip"),
    ],
    ids=["empty graph", "no graph", "no constants", "unknown weight", "no list", "no network"],
)
def test_network_that_cannot_be_read_is_told_with_its_path(
    artifact: Artifact, file: str, content: bytes
) -> None:
    artifact.file(file).write_bytes(content)
    with pytest.raises(ArtifactError, match=artifact.path.name):
        choose_engine(artifact, "openvino")


def test_network_with_another_number_of_tags_is_refused(tmp_path: Path) -> None:
    artifact = write_artifact(tmp_path / "model", head=head_of(4))
    with pytest.raises(ArtifactError, match="4 scores for 5 trained tags"):
        choose_engine(artifact, "openvino")


def test_network_with_another_feature_length_is_refused(tmp_path: Path) -> None:
    artifact = write_artifact(tmp_path / "model", make_manifest(feature_size=2048))
    with pytest.raises(ArtifactError, match="48 features, the manifest says 2048"):
        choose_engine(artifact, "openvino")


def test_network_of_another_input_size_is_refused(tmp_path: Path) -> None:
    artifact = write_artifact(tmp_path / "model", input_px=(96, 96))
    with pytest.raises(ArtifactError, match=r"\(96, 96\) pixels, the manifest says \(80, 96\)"):
        choose_engine(artifact, "openvino")


def test_weights_that_give_no_numbers_are_refused(tmp_path: Path) -> None:
    artifact = write_artifact(tmp_path / "model", head=head_of(5) * np.nan)
    with pytest.raises(ArtifactError, match="not finite"):
        choose_engine(artifact, "openvino")


def test_precision_that_does_not_exist_is_refused(artifact: Artifact) -> None:
    with pytest.raises(ArtifactError, match="int3"):
        choose_engine(artifact, "openvino", "int3")


def test_openvino_is_never_padded(artifact: Artifact) -> None:
    engine = choose_engine(artifact, "openvino")
    assert batch_sizes_of(engine, 32) == tuple(range(1, 17))
    assert batch_sizes_of(engine, 3) == (1, 2, 3)


@pytest.mark.parametrize(
    ("most", "sizes"), [(1, (1,)), (8, (1, 8)), (32, (1, 8, 32)), (100, (1, 8, 32, 100))]
)
def test_engine_that_compiles_per_size_gets_few_sizes(most: int, sizes: tuple[int, ...]) -> None:
    assert batch_sizes_of(FakeEngine(), most) == sizes
