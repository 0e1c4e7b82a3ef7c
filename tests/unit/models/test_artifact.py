import json

import pytest

from models.artifact import (
    CHECKSUMS_FILE,
    MANIFEST_FILE,
    NETWORK_FILE,
    REQUIRED_FILES,
    BadArtifactError,
    load_artifact,
    seal_artifact,
)
from models.manifest import Calibration, Manifest
from models.preprocessing import PreprocessingSpec


def manifest(**changes) -> Manifest:
    facts = {
        "version": "test-1",
        "tags": ("War", "Music"),
        "preprocessing": PreprocessingSpec(width_px=96, height_px=96),
        "activation": "softmax",
        "base_id": "0123456789abcdef",
        "licence": "CC0-1.0",
        "created_at": "2026-01-01T00:00:00Z",
    }
    return Manifest.model_validate(facts | changes)


@pytest.fixture
def sealed(tmp_path):
    for name in REQUIRED_FILES:
        (tmp_path / name).write_bytes(name.encode())
    seal_artifact(tmp_path, manifest())
    return tmp_path


def test_a_sealed_artifact_is_read_back_whole(sealed):
    artifact = load_artifact(sealed)
    assert artifact.manifest == manifest()
    assert artifact.version == "test-1"
    assert artifact.file(NETWORK_FILE).is_file()


def test_a_changed_file_is_found_by_its_checksum(sealed):
    (sealed / NETWORK_FILE).write_bytes(b"other")
    with pytest.raises(BadArtifactError, match=r"network\.keras.*checksum"):
        load_artifact(sealed)


@pytest.mark.parametrize("name", [name for name in REQUIRED_FILES if name != MANIFEST_FILE])
def test_a_missing_file_is_named(sealed, name):
    (sealed / name).unlink()
    with pytest.raises(BadArtifactError, match=name):
        load_artifact(sealed)


def test_a_missing_directory_is_named(tmp_path):
    with pytest.raises(BadArtifactError, match="no such directory"):
        load_artifact(tmp_path / "nothing")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("{", "cannot be read"),
        ("[]", "format version None"),
        ('{"format_version": 2}', "format version 2"),
        ('{"format_version": 1}', "version: Field required"),
    ],
    ids=["no json", "a list", "of the future", "without fields"],
)
def test_a_manifest_that_is_not_understood_is_refused_with_path_and_reason(sealed, content, reason):
    (sealed / MANIFEST_FILE).write_text(content)
    with pytest.raises(BadArtifactError, match=reason) as refusal:
        load_artifact(sealed)
    assert str(sealed) in str(refusal.value)


def test_unknown_fields_are_refused_because_they_may_matter(sealed):
    facts = json.loads((sealed / MANIFEST_FILE).read_text()) | {"colour_space": "bt2020"}
    (sealed / MANIFEST_FILE).write_text(json.dumps(facts))
    with pytest.raises(BadArtifactError, match="colour_space"):
        load_artifact(sealed)


def test_damaged_checksums_are_refused(sealed):
    (sealed / CHECKSUMS_FILE).write_text("{}")
    with pytest.raises(BadArtifactError, match=CHECKSUMS_FILE):
        load_artifact(sealed)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"tags": ("War", "War")}, "twice"),
        ({"tags": ("War", "Peace")}, "Peace"),
        ({"calibration": Calibration(thresholds={"Robot": 0.5})}, "Robot"),
        ({"version": "../up"}, "version"),
        ({"activation": "relu"}, "activation"),
    ],
    ids=["double tag", "unknown tag", "stray threshold", "path as version", "activation"],
)
def test_a_manifest_that_contradicts_itself_is_refused(changes, reason):
    with pytest.raises(ValueError, match=reason):
        manifest(**changes)


def test_a_tag_without_threshold_is_believed_at_twice_chance():
    tags = tuple(manifest().vocabulary[:10])
    assert manifest(tags=tags).threshold_of(tags[0]) == pytest.approx(0.2)
    calibrated = manifest(tags=tags, calibration={"thresholds": {tags[0]: 0.7}})
    assert calibrated.threshold_of(tags[0]) == 0.7
