"""What every `ports.Engine` promises, asked of the real ones and of the fake."""

from pathlib import Path

import numpy as np
import pytest

from app.domain.tags import top_indices
from app.inference.classifier import choose_engine
from app.ports import Engine
from models.preprocessing import to_network_inputs
from tests.artifacts import write_artifact, write_keras_artifact
from tests.fakes import FakeEngine, drawn_picture

ENGINES = [
    "fake",
    "openvino fp32",
    "openvino bf16",
    pytest.param("tensorflow fp32", marks=pytest.mark.slow),
    pytest.param("tensorflow bf16", marks=pytest.mark.slow),
]


@pytest.fixture(scope="module", params=ENGINES)
def engine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Engine:
    kind, _, precision = request.param.partition(" ")
    folder: Path = tmp_path_factory.mktemp("artifact")
    if kind == "fake":
        return FakeEngine()
    if kind == "openvino":
        return choose_engine(write_artifact(folder), "openvino", precision)
    return choose_engine(write_keras_artifact(folder), "tensorflow", precision)


def pictures(engine: Engine, count: int) -> np.ndarray:
    drawn = [drawn_picture(seed) for seed in range(count)]
    return to_network_inputs(drawn, engine.manifest.preprocessing)


class TestEngine:
    @pytest.mark.parametrize("count", [1, 2, 5, 16])
    def test_each_picture_gets_a_row_of_scores_and_features(
        self, engine: Engine, count: int
    ) -> None:
        found = engine.infer(pictures(engine, count))
        assert found.scores.shape == (count, len(engine.manifest.tags))
        assert found.scores.dtype == np.float32
        assert found.features.shape == (count, engine.manifest.feature_size)
        assert found.features.dtype == np.float16

    def test_softmax_rows_are_probabilities(self, engine: Engine) -> None:
        scores = engine.infer(pictures(engine, 6)).scores
        assert scores.min() >= 0
        np.testing.assert_allclose(scores.sum(axis=1), 1, atol=0.02)

    def test_row_of_a_picture_does_not_depend_on_its_company(self, engine: Engine) -> None:
        inputs = pictures(engine, 8)
        together = engine.infer(inputs).scores
        alone = np.concatenate([engine.infer(inputs[n : n + 1]).scores for n in range(8)])
        np.testing.assert_allclose(together, alone, atol=5e-3)

    def test_other_pictures_get_other_scores(self, engine: Engine) -> None:
        scores = engine.infer(pictures(engine, 4)).scores
        gaps = [np.abs(a - b).max() for n, a in enumerate(scores) for b in scores[:n]]
        assert min(gaps) > 1e-3

    def test_earlier_results_are_not_overwritten_by_later_ones(self, engine: Engine) -> None:
        inputs = pictures(engine, 4)
        first = engine.infer(inputs[:2])
        kept = first.scores.copy(), first.features.copy()
        engine.infer(inputs[2:])
        np.testing.assert_array_equal(first.scores, kept[0])
        np.testing.assert_array_equal(first.features, kept[1])

    def test_inputs_are_left_as_they_are(self, engine: Engine) -> None:
        inputs = pictures(engine, 2)
        before = inputs.copy()
        engine.infer(inputs)
        np.testing.assert_array_equal(inputs, before)

    def test_scores_from_features_are_those_from_pictures(self, engine: Engine) -> None:
        found = engine.infer(pictures(engine, 12))
        scores = engine.score_features(found.features)
        # bf16 computes the head in eight bits where it sees the picture
        rounding = 0.02 if engine.device.endswith("bf16") else 2e-3
        assert scores.dtype == np.float32
        np.testing.assert_allclose(scores, found.scores, atol=rounding)
        for one, other in zip(scores, found.scores, strict=True):
            in_order = np.sort(other)[::-1]
            if np.diff(-in_order[:4]).min() > 2 * rounding:  # a clear case
                assert top_indices(one, 3) == top_indices(other, 3)

    @pytest.mark.parametrize("count", [1, 3, 700])
    def test_features_are_scored_in_any_number(self, engine: Engine, count: int) -> None:
        features = engine.infer(pictures(engine, 5)).features
        rows = np.resize(features, (count, engine.manifest.feature_size))
        scores = engine.score_features(rows)
        assert scores.shape == (count, len(engine.manifest.tags))
        alone = engine.score_features(rows[:1])
        np.testing.assert_allclose(scores[:1], alone, atol=1e-6)

    def test_scoring_features_leaves_earlier_results_and_its_input_alone(
        self, engine: Engine
    ) -> None:
        features = engine.infer(pictures(engine, 4)).features
        kept = features.copy()
        first = engine.score_features(features[:2])
        kept_scores = first.copy()
        engine.score_features(features[2:])
        np.testing.assert_array_equal(first, kept_scores)
        np.testing.assert_array_equal(features, kept)

    def test_device_names_engine_and_hardware(self, engine: Engine) -> None:
        assert ":CPU" in engine.device or ":GPU" in engine.device
