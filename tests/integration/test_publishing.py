"""Models on their way into use, with small real networks, on real databases and storages."""

import json
from pathlib import Path

import numpy as np
import pytest

from app.bootstrap import try_out
from app.config import Settings
from app.db.session import Database
from app.errors import ArtifactError, Conflict, ModelNotFound
from app.services.model_store import ModelStore
from app.services.models import ModelService
from app.services.publishing import ModelPublisher
from models.artifact import MANIFEST_FILE, METRICS_FILE, load_artifact, seal_artifact
from tests.artifacts import write_artifact
from tests.fakes import FEATURE_SIZE, make_manifest
from tests.memory import MemoryStorage


class Desk:
    """A library, machines that share it, and a folder of artifacts to publish."""

    def __init__(self, folder: Path, database: Database) -> None:
        self.folder = folder
        self.storage = MemoryStorage()
        self.models = ModelService(database)
        self.settings = Settings(data_dir=folder)
        self.publisher = self.machine("here")

    def machine(self, name: str) -> ModelPublisher:
        return ModelPublisher(
            self.models,
            self.storage,
            self.folder / name / "models",
            lambda artifact: try_out(self.settings, artifact),
        )

    def artifact(self, version: str = "made-1", **changes: object) -> Path:
        path = self.folder / "made" / version
        manifest = {"version": version} | changes.pop("manifest", {})  # type: ignore[operator]
        return write_artifact(path, make_manifest(**manifest), **changes).path  # type: ignore[arg-type]


@pytest.fixture
def desk(tmp_path: Path, database: Database) -> Desk:
    return Desk(tmp_path, database)


def other_head(seed: int = 5) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(FEATURE_SIZE, 5))


def test_added_model_lives_without_the_folder_it_came_from(desk: Desk) -> None:
    path = desk.artifact()
    record, is_new = desk.publisher.add(path)
    for file in path.iterdir():
        file.unlink()

    assert is_new
    assert (record.version, record.active) == ("made-1", False)
    assert load_artifact(desk.folder / "here" / "models" / "made-1").version == "made-1"
    assert desk.publisher.activate("made-1").active
    assert [model.version for model in desk.models.list() if model.active] == ["made-1"]


def test_same_content_again_changes_nothing(desk: Desk) -> None:
    path = desk.artifact()
    desk.publisher.add(path)
    before = dict(desk.storage.keys("models/"))

    record, is_new = desk.publisher.add(path)

    assert not is_new
    assert record.version == "made-1"
    assert dict(desk.storage.keys("models/")) == before


def test_same_version_with_other_content_is_refused(desk: Desk) -> None:
    desk.publisher.add(desk.artifact())
    before = dict(desk.storage.keys("models/"))

    with pytest.raises(Conflict, match="new version"):
        desk.publisher.add(desk.artifact(head=other_head()))

    assert dict(desk.storage.keys("models/")) == before
    with pytest.raises(Conflict, match="new version"):
        desk.machine("elsewhere").add(desk.artifact(head=other_head(6)))


def test_model_that_a_worker_brought_along_is_not_replaced_by_another_of_its_name(
    desk: Desk, tmp_path: Path
) -> None:
    brought = write_artifact(tmp_path / "brought", make_manifest(version="made-1"))
    desk.models.record(brought)
    with pytest.raises(Conflict, match="new version"):
        desk.publisher.add(desk.artifact(head=other_head()))
    assert desk.publisher.add(brought.path)[1]


def test_another_machine_fetches_the_model_from_the_storage(desk: Desk) -> None:
    desk.publisher.add(desk.artifact(head=other_head()))
    elsewhere = desk.machine("elsewhere")

    artifact = elsewhere.open(desk.models.get("made-1"))

    assert artifact.path == desk.folder / "elsewhere" / "models" / "made-1"
    assert load_artifact(artifact.path).version == "made-1"
    assert elsewhere.activate("made-1").active


def test_damaged_local_copy_is_fetched_again(desk: Desk) -> None:
    record, _ = desk.publisher.add(desk.artifact())
    local = desk.folder / "here" / "models" / "made-1"
    (local / "network.bin").write_bytes(b"damaged")

    assert load_artifact(desk.publisher.open(record).path).version == "made-1"


def test_interrupted_copy_is_completed_by_adding_the_model_again(desk: Desk) -> None:
    path = desk.artifact()
    desk.publisher.add(path)
    key = "models/made-1/network.xml"
    seal = "models/made-1/checksums.json"
    desk.storage.put_bytes(key, b"half")
    desk.storage.put_bytes(seal, b"{}")

    desk.publisher.add(path)

    assert desk.storage.get_bytes(key) == (path / "network.xml").read_bytes()
    assert desk.storage.get_bytes(seal) == (path / "checksums.json").read_bytes()


def test_model_damaged_in_the_storage_is_not_activated(desk: Desk) -> None:
    desk.publisher.add(desk.artifact())
    desk.storage.put_bytes("models/made-1/network.xml", b"half")

    with pytest.raises(Conflict, match=r"network\.xml"):
        desk.machine("elsewhere").activate("made-1")
    assert desk.models.active() is None


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"head": np.ones((FEATURE_SIZE, 3))}, "3 scores for 5 trained tags"),
        ({"input_px": (40, 48)}, "the manifest says"),
        ({"manifest": {"feature_size": 64}}, "features, the manifest says 64"),
        ({"is_detour": True}, "do not follow from its features"),
    ],
    ids=["tags", "input", "features", "detour"],
)
def test_network_that_does_not_fit_its_manifest_is_not_activated(
    desk: Desk, change: dict[str, object], reason: str
) -> None:
    desk.publisher.add(desk.artifact("good-1"))
    desk.publisher.activate("good-1")
    desk.publisher.add(desk.artifact("bad-2", **change))

    with pytest.raises(Conflict, match=reason):
        desk.publisher.activate("bad-2")

    active = desk.models.active()
    assert active is not None
    assert active.version == "good-1"


def test_vocabulary_that_is_not_understood_is_refused(desk: Desk, tmp_path: Path) -> None:
    words = ("Forest", "War", "Beach/Sea", "Robot", "Food", "Kitchen sink")
    path = desk.artifact(manifest={"vocabulary": words})
    with pytest.raises(ArtifactError, match="Kitchen sink"):
        desk.publisher.add(path)
    desk.models.record(load_artifact(path))
    with pytest.raises(Conflict, match="Kitchen sink"):
        desk.publisher.activate("made-1")


def test_format_that_is_not_understood_is_refused(desk: Desk) -> None:
    path = desk.artifact()
    manifest = json.loads((path / MANIFEST_FILE).read_text())
    (path / MANIFEST_FILE).write_text(json.dumps(manifest | {"format_version": 9}))
    with pytest.raises(ArtifactError, match="format version 9"):
        desk.publisher.add(path)
    assert desk.models.list() == []


@pytest.mark.parametrize("name", ["network.keras", METRICS_FILE])
def test_artifact_with_a_missing_or_damaged_file_is_not_added(desk: Desk, name: str) -> None:
    path = desk.artifact()
    (path / name).write_bytes(b"{}?")
    with pytest.raises(ArtifactError, match="not the file that was sealed"):
        desk.publisher.add(path)
    (path / name).unlink()
    with pytest.raises(ArtifactError, match="missing"):
        desk.publisher.add(path)
    assert list(desk.storage.keys("models/")) == []


def test_unknown_model_is_not_found(desk: Desk) -> None:
    for version in ("nobody", "a\0b", "../made-1"):
        with pytest.raises(ModelNotFound):
            desk.publisher.activate(version)


def test_two_models_are_compared_by_their_own_figures(desk: Desk) -> None:
    figures = [
        {"macro_map": ap, "per_tag": {"War": {"ap": ap, "precision": 1, "recall": 0.5}}}
        for ap in (0.25, 0.75)
    ]
    desk.publisher.add(desk.artifact("made-1", metrics=figures[0]))
    not_added = desk.artifact("made-2", metrics=figures[1])

    found = desk.publisher.compare("made-1", str(not_added))

    assert found.totals["macro_map"] == (0.25, 0.75)
    assert (found.tags[0].tag, found.tags[0].gain) == ("War", 0.5)
    with pytest.raises(ModelNotFound):
        desk.publisher.compare("made-1", "nobody")


def test_file_that_would_lead_out_of_the_folder_is_refused(desk: Desk) -> None:
    path = desk.artifact()
    outside = path.parent / "outside"
    outside.write_text("?")
    artifact = seal_artifact(path, load_artifact(path).manifest)
    sums = json.loads((path / "checksums.json").read_text())
    sums["sha256"]["../outside"] = sums["sha256"]["network.xml"]
    (path / "checksums.json").write_text(json.dumps(sums))
    with pytest.raises(ArtifactError, match="not the name of a file"):
        ModelStore(desk.storage, desk.folder / "store").put(artifact)
