"""The page of an evaluation: whole, escaped, and loading nothing."""

from html.parser import HTMLParser
from types import SimpleNamespace
from xml.etree import ElementTree

import cv2
import numpy as np
import pytest

from models.manifest import Calibration
from tests.artifacts import write_artifact, write_keras_artifact
from tests.fakes import make_manifest
from tests.training.conftest import DRAWN_TAGS
from training.dataset import LabelledPicture, read_collection
from training.errors import BadDataError
from training.evaluate import Scored, evaluate
from training.metrics import precision_recall
from training.report import plots
from training.report.fragments import matrix, table
from training.report.page import read_log, write_report
from training.report.pictures import SHOWN, data_address, overlaid, surest

LOG = """loss,hit_at_1,hit_at_3,macro_map,micro_map,epoch
2.5,0.2,0.4,0.1,0.1,1
1.5,0.4,0.6,0.2,0.3,2
"""


class Page(HTMLParser):
    """Notes what a browser would find: addresses, ids, words."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.ids: list[str] = []
        self.words: list[str] = []
        self.tags: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            if name in {"src", "href", "xlink:href", "srcset", "action"}:
                self.addresses.append(value or "")
            if name == "id":
                self.ids.append(value or "")

    def handle_data(self, data: str) -> None:
        self.words.append(data)


@pytest.fixture(scope="module")
def told(drawn_data, tmp_path_factory):
    """A report without Grad-CAM, with everything else in it."""
    folder = tmp_path_factory.mktemp("report")
    manifest = make_manifest(
        tags=DRAWN_TAGS, version="small-1", calibration=Calibration(thresholds={"War": 0.3})
    )
    artifact = write_artifact(folder / "artifact", manifest)
    found = evaluate(artifact, read_collection(drawn_data), "validation", None, with_baseline=True)
    (folder / "log.csv").write_text(LOG)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("importlib.util.find_spec", lambda name: None)
        write_report(folder / "out" / "report.html", artifact, found, folder)
    text = (folder / "out" / "report.html").read_text(encoding="utf-8")
    return SimpleNamespace(text=text, page=Page(text), found=found, artifact=artifact)


def test_page_loads_nothing_from_elsewhere(told):
    assert told.page.addresses
    for address in told.page.addresses:
        assert address.startswith(("data:image/jpeg;base64,", "#")), address[:80]
    assert not {"script", "link", "iframe", "object"} & set(told.page.tags)
    assert "default-src 'none'" in told.text
    assert "@import" not in told.text
    assert "url(http" not in told.text


def test_page_has_every_section_and_no_id_twice(told):
    wanted = {"figures", "tags", "calibration", "confusion", "baseline", "learning", "pictures"}
    assert wanted <= set(told.page.ids)
    assert len(told.page.ids) == len(set(told.page.ids))
    assert {address[1:] for address in told.page.addresses if address[0] == "#"} <= set(
        told.page.ids
    )


def test_page_tells_the_figures_that_were_measured(told):
    words = " ".join(told.page.words)
    assert "small-1: how good it is" in words
    assert "validation split, 4 pictures, one view each" in words
    assert f"{told.found.metrics['micro_map']:.3f}" in told.page.words
    assert f"{told.found.metrics['baseline']['ratio']:.3f}" in told.page.words
    assert "TensorFlow is not installed" in words
    assert told.text.count("data:image/jpeg") == 4


def test_a_run_without_a_log_is_refused_before_anything_is_written(told, tmp_path):
    with pytest.raises(BadDataError, match="not the log of a run"):
        write_report(tmp_path / "report.html", told.artifact, told.found, tmp_path)
    assert not (tmp_path / "report.html").exists()
    for text in ("", "epoch,loss\n", "a,b\n1,2\n", "epoch,loss\n1,much\n"):
        (tmp_path / "log.csv").write_text(text)
        with pytest.raises(BadDataError, match="not the log of a run"):
            read_log(tmp_path)


def test_an_epoch_may_lack_a_figure(tmp_path):
    (tmp_path / "log.csv").write_text("epoch,loss,hit_at_1,hit_at_3\n1,2.5,,\n2,1.5,0.5,\n")
    log = read_log(tmp_path)
    assert log == [{"epoch": 1, "loss": 2.5}, {"epoch": 2, "loss": 1.5, "hit_at_1": 0.5}]
    drawn = plots.learning_plot(log)
    assert "hit_at_1" in drawn
    assert "hit_at_3" not in drawn


def test_names_from_outside_are_escaped():
    evil = "<script>alert('x')</script> & \"more\""
    for text in (table((evil,), [(evil, evil)]), matrix([[1, 2], [0, 3]], (evil, "War"))):
        assert "<script" not in text
        assert Page(text).tags.count("script") == 0
        assert any("alert('x')" in word for word in Page(text).words)


def test_a_file_name_with_html_in_it_is_shown_as_it_is(drawn_data, tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    artifact = write_artifact(
        tmp_path / "artifact", make_manifest(tags=DRAWN_TAGS, calibration=Calibration())
    )
    found = evaluate(artifact, read_collection(drawn_data), "validation", None)
    first = found.scored.pictures[0]
    strange = tmp_path / "<img src=x onerror=alert(1)>.png"
    strange.write_bytes(first.file.read_bytes())
    pictures = (LabelledPicture(strange, first.tags, "validation", "g"),)
    scored = Scored(
        (*pictures, *found.scored.pictures[1:]), found.scored.scores, found.scored.truth, 0
    )
    write_report(tmp_path / "report.html", artifact, type(found)(found.metrics, scored))
    page = Page((tmp_path / "report.html").read_text())
    assert strange.name in page.words
    assert "x" not in page.addresses


def test_plots_are_whole_svg_with_ids_of_their_own():
    rng = np.random.default_rng(0)
    scores = rng.random((30, 2)).astype(np.float32)
    truth = (rng.random((30, 2)) < 0.5).astype(np.float32)
    row = {"ap": 0.5, "precision": None, "recall": 0.0, "support": 9}
    per_tag = {"a $x_1$ <b>": row, "War": row}
    drawn = (
        plots.precision_recall_per_tag(scores, truth, per_tag, scores),
        plots.baseline_plot(per_tag, {"a $x_1$ <b>": None, "War": 0.2}),
    )
    ids = [set(Page(svg).ids) for svg in drawn]
    assert not ids[0] & ids[1]
    for svg in drawn:
        root = ElementTree.fromstring(svg)
        assert root.tag.endswith("svg")
        assert "a $x_1$ <b>" in " ".join(root.itertext())


def test_thinned_curve_keeps_its_peaks_and_its_ends():
    truth = np.zeros(5000, np.float32)
    truth[[0, 40, 41, 4999]] = 1
    recall, precision = plots.thinned(
        *precision_recall(np.linspace(1, 0, 5000, dtype=np.float32), truth)
    )
    np.testing.assert_allclose(recall, [0.25, 0.5, 0.75, 1])
    np.testing.assert_allclose(precision, [1, 2 / 41, 3 / 42, 4 / 5000])
    truth[::2] = 1
    recall, _ = plots.thinned(*precision_recall(np.linspace(1, 0, 5000, dtype=np.float32), truth))
    assert len(recall) < 200
    assert np.diff(recall).max() < 0.01


def test_the_surest_come_first_and_no_tag_fills_the_page():
    rng = np.random.default_rng(1)
    scores = rng.random((300, 12)).astype(np.float32)
    truth = np.zeros_like(scores)
    truth[np.arange(300), scores.argmax(axis=1)] = np.arange(300) % 2
    scored = Scored((), scores, truth, 0)
    right, wrong = (surest(scored, right=side) for side in (True, False))
    assert not set(right) & set(wrong)
    for rows, odd in ((right, 1), (wrong, 0)):
        assert len(rows) == SHOWN
        assert {row % 2 for row in rows} == {odd}
        best = scores[rows].max(axis=1)
        assert (np.diff(best) <= 0).all()
        assert np.bincount(scores[rows].argmax(axis=1)).max() <= 2


def test_heat_colours_only_where_it_is_hot():
    picture = np.full((20, 30, 3), 120, np.uint8)
    plane = np.zeros((20, 30), np.float32)
    plane[:, 20:] = 1
    laid = overlaid(picture, plane)
    np.testing.assert_array_equal(laid[:, :20], 120)
    red, _, blue = laid[0, 25].astype(int)
    assert red > blue + 50


def test_an_inlined_picture_keeps_its_colours():
    import base64

    picture = np.zeros((32, 32, 3), np.uint8)
    picture[..., 0] = 250
    address = data_address(picture)
    packed = base64.b64decode(address.removeprefix("data:image/jpeg;base64,"))
    found = cv2.imdecode(np.frombuffer(packed, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
    assert found[..., 0].mean() > 200
    assert found[..., 2].mean() < 50


@pytest.mark.slow
def test_grad_cam_is_the_gradient_that_small_changes_of_the_maps_show(drawn_data, tmp_path):
    import keras

    from training.grad_cam import GradCam

    manifest = make_manifest(tags=DRAWN_TAGS, calibration=Calibration(), feature_size=8)
    artifact = write_keras_artifact(tmp_path / "artifact", manifest)
    rng = np.random.default_rng(2)
    spec = manifest.preprocessing
    inputs = rng.integers(0, 255, (2, spec.height_px, spec.width_px, 3), np.uint8)
    places = np.array([1, 3])
    cam = GradCam(artifact.path)
    heat = cam.heat(inputs, places)

    network = keras.models.load_model(artifact.file("network.keras"), compile=False)
    pooling = network.get_layer("features")
    maps = np.asarray(keras.Model(network.input, pooling.input)(inputs), np.float64)
    head = keras.Model(pooling.output, network.get_layer("logits").output)
    for number, place in enumerate(places):
        weights = np.empty(maps.shape[3])
        for channel in range(maps.shape[3]):  # the slope of the logit as this map grows everywhere
            moved = maps[number].mean(axis=(0, 1))[None].repeat(2, axis=0)
            moved[:, channel] += (-0.5, 0.5)
            low, high = np.asarray(head(moved.astype(np.float32)))[:, place]
            weights[channel] = high - low
        wanted = np.maximum((maps[number] * weights).sum(axis=2), 0)
        wanted = wanted / wanted.max() if wanted.max() else wanted
        np.testing.assert_allclose(heat[number], wanted, atol=1e-3)
    assert heat.max() == 1.0
    assert network.get_layer(cam.layer).output is pooling.input


@pytest.mark.slow
def test_report_of_a_keras_artifact_shows_where_it_looks(drawn_data, tmp_path):
    manifest = make_manifest(tags=DRAWN_TAGS, calibration=Calibration(), feature_size=8)
    artifact = write_keras_artifact(tmp_path / "artifact", manifest)
    found = evaluate(artifact, read_collection(drawn_data), "validation", None)
    write_report(tmp_path / "report.html", artifact, found)
    text = (tmp_path / "report.html").read_text()
    right = sum(found.scored.truth[np.arange(4), found.scored.scores.argmax(axis=1)] > 0)
    assert text.count("data:image/jpeg") == 4 + right + 2 * (4 - right)
    assert "on the maps of the layer activation" in text
