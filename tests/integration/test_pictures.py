"""Pictures of a tagged film over HTTP, with the starter: why a tag, the strongest, one sheet."""

import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from typer.testing import CliRunner

from app import bootstrap
from app.cli import app
from app.config import Settings
from app.domain.library import Verdict
from app.domain.plan import Wish
from app.domain.verdicts import Target
from app.errors import ArtifactError
from app.inference.explain import OpenVinoExplainer
from app.main import create_app
from app.services.model_in_use import ModelInUse
from app.services.registry import Services
from app.video.drawing import CELL_WIDTH_PX, GAP_PX
from app.video.thumbnails import decode_jpeg
from models.artifact import STARTER_DIR, load_artifact
from models.preprocessing import to_network_input
from tests.api_client import AppClient
from tests.artifacts import write_artifact
from tests.media import sample_film
from tests.themes import beach, forest, pool


@dataclass
class Tagged:
    """A library with the sample film, tagged by a copy of the starter."""

    services: Services
    client: AppClient
    film_id: str
    model: Path

    @property
    def path(self) -> str:
        return f"/v1/films/{self.film_id}"

    def frames(self, options: str = "") -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = self.client.get(f"{self.path}/frames{options}").json()[
            "items"
        ]
        return items

    def picture(self, end: str) -> NDArray[np.uint8]:
        answer = self.client.get(f"{self.path}/{end}")
        assert (answer.status_code, answer.headers["content-type"]) == (200, "image/jpeg")
        return decode_jpeg(answer.content)


@pytest.fixture(scope="module")
def tagged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tagged]:
    folder = tmp_path_factory.mktemp("pictures")
    model = shutil.copytree(STARTER_DIR, folder / "model")
    settings = Settings(data_dir=folder / "data", model_path=model, chunk_s=3600.0)
    services = bootstrap.build_services(settings)
    bootstrap.prepare_database(services)
    incoming = services.films.incoming()
    incoming.write(sample_film(folder / "sample.mp4").path.read_bytes())
    film, _ = services.films.add(incoming, filename="sample.mp4")
    with bootstrap.build_classifier(settings) as classifier:
        services.models.record(load_artifact(model))
        analysis = bootstrap.build_analysis(services, ModelInUse(classifier), "test")
        plan = analysis.plan(film.id, 1, lambda: None, Wish.DECODE)
        for chunk in range(len(plan.spans)):
            analysis.analyse_chunk(film.id, 1, plan, chunk, lambda: None)
        analysis.finish(film.id, 1, plan)
    yield Tagged(services, AppClient(create_app(services)), film.id, model)
    services.database.dispose()


def test_an_explanation_is_the_key_frame_with_colour_on_it(tagged: Tagged):
    frame = tagged.frames()[0]
    n, tag = frame["n"], frame["tags"][0]["tag"]
    plain = tagged.picture(f"frames/{n}/image")
    found = tagged.picture(f"frames/{n}/explanation?tag={tag}")
    assert found.shape == plain.shape
    changed = np.abs(found.astype(int) - plain).sum(axis=2)
    assert changed.max() > 120
    assert changed.min() < changed.max() / 2


def test_other_tags_have_other_reasons(tagged: Tagged):
    first, second = (tag["tag"] for tag in tagged.frames()[0]["tags"][:2])
    one, other = (tagged.picture(f"frames/0/explanation?tag={tag}") for tag in (first, second))
    assert np.abs(one.astype(int) - other).mean() > 2


def test_many_may_ask_at_once_and_the_network_is_loaded_once(
    tagged: Tagged, monkeypatch: pytest.MonkeyPatch
):
    loads = []
    build = bootstrap.build_explainer

    def counted(*given: Any) -> Any:
        loads.append(given)
        return build(*given)

    monkeypatch.setattr(bootstrap, "build_explainer", counted)
    services = bootstrap.build_services(tagged.services.settings)
    tags = [tag["tag"] for tag in tagged.frames()[0]["tags"]] * 4
    with ThreadPoolExecutor(6) as pool:
        found = list(
            pool.map(lambda tag: services.pictures.explanation(tagged.film_id, 0, tag), tags)
        )
    services.database.dispose()
    assert len(loads) == 1
    assert found[:3] * 4 == found
    assert len(set(found)) == 3


def test_a_tag_that_the_model_was_not_trained_on_is_refused(tagged: Tagged):
    assert "Robot" not in load_artifact(tagged.model).manifest.tags
    answer = tagged.client.get(f"{tagged.path}/frames/0/explanation?tag=robot")
    assert (answer.status_code, answer.json()["code"]) == (409, "tag_not_trained")


def test_a_frame_that_is_not_there_has_no_explanation(tagged: Tagged):
    answer = tagged.client.get(f"{tagged.path}/frames/9999/explanation?tag=forest")
    assert (answer.status_code, answer.json()["code"]) == (404, "frame_not_found")


@pytest.mark.parametrize("loss", ["gone", "another", "damaged"])
def test_a_film_of_a_model_that_cannot_be_run_says_so(tagged: Tagged, loss: str, tmp_path: Path):
    kept = tagged.model.rename(tagged.model.with_name("kept"))
    try:
        if loss == "another":
            write_artifact(tagged.model)
        if loss == "damaged":
            shutil.copytree(kept, tagged.model)
            (tagged.model / "network.xml").write_text("<net>")
        services = bootstrap.build_services(tagged.services.settings)
        client = AppClient(create_app(services))
        answer = client.get(f"{tagged.path}/frames/0/explanation?tag=forest")
        services.database.dispose()
    finally:
        shutil.rmtree(tagged.model, ignore_errors=True)
        kept.rename(tagged.model)
    assert (answer.status_code, answer.json()["code"]) == (409, "model_unavailable")
    assert "tag the film anew" in answer.json()["detail"]


def test_an_old_film_is_explained_by_the_model_that_tagged_it(tagged: Tagged, tmp_path: Path):
    assert tagged.services.films.get(tagged.film_id).model_version == "starter-1"
    publisher = tagged.services.publisher
    newer = publisher.add(write_artifact(tmp_path / "newer").path)[0]
    publisher.activate(newer.version)
    tag = tagged.frames()[0]["tags"][0]["tag"]
    assert tagged.picture(f"frames/0/explanation?tag={tag}").ndim == 3


def test_a_network_without_maps_cannot_be_explained(tmp_path: Path):
    with pytest.raises(ArtifactError, match="nothing can be pointed at"):
        OpenVinoExplainer(write_artifact(tmp_path / "flat"))


def test_the_strongest_frames_of_a_tag_come_first_in_pages(tagged: Tagged):
    tag = tagged.services.films.tags(tagged.film_id)[0].tag
    in_time = tagged.frames(f"?tag={tag}&top_k=5")

    def score(frame: dict[str, Any]) -> float:
        (found,) = (one["score"] for one in frame["tags"] if one["tag"] == tag)
        return float(found)

    wanted = sorted(in_time, key=lambda frame: (-score(frame), frame["n"]))
    assert len(wanted) > 2
    assert wanted != in_time
    seen, cursor = [], ""
    while cursor is not None:
        options = f"tag={tag}&top_k=5&sort=-score&limit=2&cursor={cursor}".removesuffix("&cursor=")
        page = tagged.client.get(f"{tagged.path}/frames?{options}").json()
        seen += page["items"]
        cursor = page["next_cursor"]
    assert seen == wanted


def test_a_human_counts_as_the_strongest(tagged: Tagged):
    last = tagged.frames()[-1]
    films = tagged.services.films
    target = Target.frame(last["time_s"])
    verdict = films.judge(tagged.film_id, "Wedding", Verdict.ACCEPTED, target)
    first = tagged.frames("?tag=wedding&sort=-score")[0]
    films.withdraw(tagged.film_id, verdict.id)
    assert first["n"] == last["n"]


def test_the_order_by_score_needs_a_tag(tagged: Tagged):
    answer = tagged.client.get(f"{tagged.path}/frames?sort=-score")
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")


def test_a_sheet_shows_the_whole_film(tagged: Tagged):
    count = len(tagged.frames())
    sheet = tagged.picture("contact-sheet?columns=3")
    assert sheet.shape[1] == 3 * (CELL_WIDTH_PX + GAP_PX) + GAP_PX
    few = tagged.picture("contact-sheet?columns=3&limit=3")
    row_px = few.shape[0] - GAP_PX
    assert sheet.shape[0] == -(-min(count, 24) // 3) * row_px + GAP_PX
    plain = tagged.picture("frames/0/image")
    height = round(plain.shape[0] * CELL_WIDTH_PX / plain.shape[1])
    small = cv2.resize(plain, (CELL_WIDTH_PX, height), interpolation=cv2.INTER_AREA)
    shown = sheet[GAP_PX : GAP_PX + height, GAP_PX : GAP_PX + CELL_WIDTH_PX]
    assert np.abs(shown.astype(int) - small).mean() < 6


def test_a_sheet_of_a_tag_begins_with_its_strongest_frame(tagged: Tagged):
    tag = tagged.services.films.tags(tagged.film_id)[0].tag
    n = tagged.frames(f"?tag={tag}&sort=-score")[0]["n"]
    plain = tagged.picture(f"frames/{n}/image")
    height = round(plain.shape[0] * CELL_WIDTH_PX / plain.shape[1])
    small = cv2.resize(plain, (CELL_WIDTH_PX, height), interpolation=cv2.INTER_AREA)
    sheet = tagged.picture(f"contact-sheet?tag={tag}&columns=1&limit=2")
    shown = sheet[GAP_PX : GAP_PX + height, GAP_PX : GAP_PX + CELL_WIDTH_PX]
    assert np.abs(shown.astype(int) - small).mean() < 6


def test_a_sheet_is_written_by_a_command(
    tagged: Tagged, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("REELTAG_DATA_DIR", str(tagged.services.settings.data_dir))
    words = ["films", "sheet", tagged.film_id, "--columns", "2", "--limit", "4", "-o"]
    done = CliRunner().invoke(app, [*words, str(tmp_path / "sheet.jpg")])
    assert done.exit_code == 0
    sheet = decode_jpeg((tmp_path / "sheet.jpg").read_bytes())
    assert (sheet == tagged.picture("contact-sheet?columns=2&limit=4")).all()
    refused = CliRunner().invoke(app, [*words, str(tmp_path / "no-folder" / "sheet.jpg")])
    assert refused.exit_code == 1
    assert "cannot be written" in refused.output


def test_a_film_without_key_frames_has_no_sheet(tagged: Tagged):
    incoming = tagged.services.films.incoming()
    incoming.write(b"not looked at yet")
    film, _ = tagged.services.films.add(incoming, filename="new.mp4")
    answer = tagged.client.get(f"/v1/films/{film.id}/contact-sheet")
    assert (answer.status_code, answer.json()["code"]) == (404, "frame_not_found")


@pytest.mark.slow
@pytest.mark.parametrize("paint", [beach, forest, pool])
def test_keras_gradients_give_the_same_heat(paint: Any):
    keras = pytest.importorskip("keras", reason="NOT TESTED: Keras is not installed")
    tf = pytest.importorskip("tensorflow", reason="NOT TESTED: TensorFlow is not installed")
    artifact = load_artifact(STARTER_DIR)
    spec = artifact.manifest.preprocessing
    seen = to_network_input(paint(3, 270, 480)(0.5), spec)
    network = keras.models.load_model(artifact.file("network.keras"), compile=False)
    maps_layer = network.get_layer("features").input
    both = keras.Model(network.input, [maps_layer, network.get_layer("logits").output])
    explainer = OpenVinoExplainer(artifact)
    with tf.GradientTape(persistent=True) as tape:
        maps, logits = both(seen[np.newaxis])
        chosen = np.argsort(-logits[0].numpy())[:3]
        tops = [logits[0, int(place)] for place in chosen]
    for place, top in zip(chosen, tops, strict=True):
        weights = tf.reduce_mean(tape.gradient(top, maps), axis=(1, 2))
        wanted = tf.nn.relu(tf.einsum("bhwk,bk->bhw", maps, weights))[0].numpy()
        found = explainer.heat_map(seen, artifact.manifest.tags[int(place)])
        assert wanted.max() > 0
        np.testing.assert_allclose(found, wanted, rtol=1e-3, atol=1e-3 * wanted.max())
