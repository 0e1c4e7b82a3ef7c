"""The seam between the houses: what training learnt on is what the service looks at.

One picture goes through training's loader and, as a film, through the service; one artifact
answers for both.
"""

from concurrent.futures import Future
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from app.bootstrap import build_classifier, build_reader
from app.config import Settings
from app.domain.films import Sampling
from app.domain.tags import top_tags
from app.pipeline import analyse_film
from app.ports import FrameClassifier, FrameScores
from models.artifact import STARTER_DIR, load_artifact
from models.preprocessing import PreprocessingSpec
from tests.themes import beach, forest, pool
from training.scoring import CpuNetwork
from training.store import read_network_inputs

PAINTERS = {"beach": beach, "forest": forest, "pool": pool}
SIZE = (270, 480)


class Recorder:
    """Passes inputs on and keeps them."""

    def __init__(self, classifier: FrameClassifier) -> None:
        self._classifier = classifier
        self.manifest = classifier.manifest
        self.inputs: list[NDArray[np.uint8]] = []

    def submit(self, inputs: NDArray[np.uint8]) -> "Future[FrameScores]":
        self.inputs.append(inputs)
        return self._classifier.submit(inputs)


def draw(look: str) -> NDArray[np.uint8]:
    return PAINTERS[look](3, *SIZE)(0.5)


def write_picture(path: Path, picture: NDArray[np.uint8]) -> Path:
    assert cv2.imwrite(str(path), picture[:, :, ::-1])
    return path


def write_lossless_film(path: Path, picture: NDArray[np.uint8]) -> Path:
    with av.open(str(path), "w") as film:
        track = film.add_stream("ffv1", rate=5)
        track.height, track.width = picture.shape[:2]
        track.pix_fmt = "bgr0"
        track.codec_context.time_base = Fraction(1, 5)
        for _ in range(5):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format="bgr0")
            film.mux(track.encode(frame))
        film.mux(track.encode())
    return path


@pytest.mark.parametrize("look", PAINTERS)
def test_a_picture_is_the_same_tensor_and_has_the_same_top_three_in_both_houses(look, tmp_path):
    spec = load_artifact(STARTER_DIR).manifest.preprocessing
    picture = draw(look)
    learnt, _, rejected = read_network_inputs(
        [write_picture(tmp_path / "picture.png", picture)], spec
    )
    assert not rejected

    settings = Settings(data_dir=tmp_path, precision="fp32")
    film = write_lossless_film(tmp_path / "film.mkv", picture)
    with build_classifier(settings) as classifier:
        recorder = Recorder(classifier)
        found = analyse_film(film, build_reader(settings), recorder, Sampling("interval", 10))

    seen = np.concatenate(recorder.inputs)
    assert seen.shape == learnt.shape == (1, spec.height_px, spec.width_px, 3)
    assert (seen == learnt).all()
    scores, _ = CpuNetwork(STARTER_DIR)(learnt)
    (frame,) = found.shots[0].frames
    tags = classifier.manifest.tags
    assert [tag.tag for tag in top_tags(frame.scores, tags)] == [
        tag.tag for tag in top_tags(scores[0], tags)
    ]
    np.testing.assert_allclose(frame.scores, scores[0], atol=1e-5)


@pytest.mark.slow
def test_keras_and_the_service_agree_on_the_starters_top_three():
    keras = pytest.importorskip("keras", reason="NOT TESTED: Keras is not installed")
    from app.inference.openvino_engine import OpenVinoEngine

    artifact = load_artifact(STARTER_DIR)
    spec: PreprocessingSpec = artifact.manifest.preprocessing
    rng = np.random.default_rng(5)
    size = (spec.height_px, spec.width_px)
    pictures = np.stack(
        [PAINTERS[look](seed, *size)(1.0) for look in PAINTERS for seed in range(2)]
    )
    pictures = np.clip(pictures + rng.normal(0, 4, pictures.shape), 0, 255).astype(np.uint8)
    network = keras.models.load_model(artifact.file("network.keras"), compile=False)
    wanted = np.asarray(network(pictures, training=False), np.float32)
    found = OpenVinoEngine(artifact, precision="fp32").infer(pictures).scores
    np.testing.assert_allclose(found, wanted, atol=1e-4)
    tags = artifact.manifest.tags
    for one, other in zip(found, wanted, strict=True):
        assert [t.tag for t in top_tags(one, tags)] == [t.tag for t in top_tags(other, tags)]
