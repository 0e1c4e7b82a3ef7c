"""One artifact, two engines: TensorFlow and OpenVINO say the same; and the shipped model runs."""

from pathlib import Path

import numpy as np
import pytest

from app.domain.tags import top_indices
from app.errors import ArtifactError
from app.inference.batcher import BatchingClassifier
from app.inference.classifier import batch_sizes_of, choose_engine, open_artifact
from models.artifact import STARTER_DIR, Artifact, seal_artifact
from models.preprocessing import PreprocessingSpec, to_network_inputs
from tests.artifacts import write_keras_artifact
from tests.fakes import drawn_picture, make_manifest


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    return write_keras_artifact(tmp_path_factory.mktemp("keras"))


def pictures(spec: PreprocessingSpec, count: int) -> np.ndarray:
    return to_network_inputs([drawn_picture(seed) for seed in range(count)], spec)


def overlap(one: np.ndarray, other: np.ndarray, k: int = 3) -> float:
    pairs = zip(one, other, strict=True)
    return float(np.mean([len({*top_indices(a, k)} & {*top_indices(b, k)}) / k for a, b in pairs]))


@pytest.mark.slow
def test_both_engines_give_the_same_scores_and_features(artifact: Artifact) -> None:
    inputs = pictures(artifact.manifest.preprocessing, 24)
    by_openvino = choose_engine(artifact, "openvino", "fp32").infer(inputs)
    by_tensorflow = choose_engine(artifact, "tensorflow", "fp32").infer(inputs)
    np.testing.assert_allclose(by_openvino.scores, by_tensorflow.scores, atol=1e-5)
    np.testing.assert_allclose(by_openvino.features, by_tensorflow.features, atol=2e-3)
    assert overlap(by_openvino.scores, by_tensorflow.scores) == 1


@pytest.mark.slow
def test_tensorflow_computes_in_bf16_when_asked(artifact: Artifact) -> None:
    inputs = pictures(artifact.manifest.preprocessing, 24)
    full = choose_engine(artifact, "tensorflow", "fp32")
    half = choose_engine(artifact, "tensorflow", "bf16")
    assert (full.device[-4:], half.device[-4:]) == ("fp32", "bf16")
    wide, narrow = full.infer(inputs).scores, half.infer(inputs).scores
    assert 0 < np.abs(wide - narrow).max() < 0.02


@pytest.mark.slow
def test_tensorflow_serves_many_films_in_padded_batches(artifact: Artifact) -> None:
    engine = choose_engine(artifact, "tensorflow", "fp32")
    inputs = pictures(artifact.manifest.preprocessing, 11)
    with BatchingClassifier(engine, batch_sizes_of(engine, 8)) as classifier:
        found = classifier.submit(inputs).result(60)
        assert classifier.counters.padded == 5
    np.testing.assert_allclose(found.scores, engine.infer(inputs).scores, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"tags": ("Forest", "War")}, "5 scores for 2 trained tags"),
        ({"feature_size": 2048}, "8 features, the manifest says 2048"),
        ({"preprocessing": PreprocessingSpec(width_px=96, height_px=96)}, "the manifest says"),
    ],
    ids=["tags", "features", "input size"],
)
def test_tensorflow_refuses_a_network_the_manifest_does_not_describe(
    artifact: Artifact, tmp_path: Path, changes: dict[str, object], reason: str
) -> None:
    for file in artifact.path.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    fields = {"feature_size": 8, "calibration": {}} | changes
    other = seal_artifact(tmp_path, make_manifest(**fields))
    with pytest.raises(ArtifactError, match=reason):
        choose_engine(other, "tensorflow", "fp32")


@pytest.mark.slow
def test_tensorflow_tells_the_path_of_a_network_it_cannot_read(
    artifact: Artifact, tmp_path: Path
) -> None:
    (tmp_path / "network.keras").write_bytes(b"not a network")
    with pytest.raises(ArtifactError, match=r"network\.keras"):
        choose_engine(Artifact(tmp_path, artifact.manifest), "tensorflow")


def test_shipped_model_says_the_same_in_bf16_and_in_fp32() -> None:
    artifact = open_artifact(STARTER_DIR)
    inputs = pictures(artifact.manifest.preprocessing, 60)
    full = choose_engine(artifact, "openvino", "fp32").infer(inputs)
    half = choose_engine(artifact, "openvino", "bf16").infer(inputs)
    assert full.scores.std(axis=0).max() > 1e-3, "a network that does not look at pictures"
    assert overlap(full.scores, half.scores) >= 0.9


def test_shipped_model_says_of_stored_features_what_it_says_of_the_pictures() -> None:
    artifact = open_artifact(STARTER_DIR)
    engine = choose_engine(artifact, "openvino", "fp32")
    found = engine.infer(pictures(artifact.manifest.preprocessing, 40))
    scores = engine.score_features(found.features)
    np.testing.assert_allclose(scores, found.scores, atol=2e-3)
    assert overlap(scores, found.scores) >= 0.98
