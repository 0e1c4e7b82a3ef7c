"""From corrections and an artifact to a new artifact: the same base, a head that learned.

Knows both files and how the head learns; decodes pictures only to check the forms of the network
against each other. The base is not touched, so films are tagged anew from stored features.
"""

import datetime
import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from models.artifact import (
    CARD_FILE,
    METRICS_FILE,
    NETWORK_FILE,
    Artifact,
    load_artifact,
    seal_artifact,
)
from models.manifest import Calibration, DataSource, Manifest
from training.calibration import MIN_SUPPORT
from training.corrections import LICENCE, SOURCE, Say
from training.cpu_graph import write_cpu_form
from training.dataset import Split
from training.errors import BadDataError
from training.export import check_forms, outputs, replace_directory, save_network
from training.features import head_of
from training.known import Known, KnownFrames, read_known_frames
from training.lessons import Learned, Lessons, scores_of, teach_head
from training.metrics import Scores, best_f1_threshold, measure_known
from training.model_card import write_lessons_card
from training.network import base_id
from training.store import read_network_inputs

_CHECKED_PICTURES = 64


@dataclass(frozen=True, slots=True)
class Relearned:
    """What came of the lessons.

    Attributes:
        artifact: The new artifact.
        learned: How the lessons went.
        metrics: Of the new head on the held-out films; as `metrics.json`.
    """

    artifact: Artifact
    learned: Learned
    metrics: dict[str, Any]


def relearn(
    data: Path,
    base: Path,
    out: Path,
    lessons: Lessons,
    *,
    version: str,
    licence: str | None = None,
    say: Say = lambda line: None,
) -> Relearned:
    """Let the head of an artifact learn from corrections and publish the result.

    Args:
        data: A dataset with stored features.
        base: The artifact whose base gave the features; its head is where learning begins.
        out: Directory of the new artifact; replaced only when all went well.
        lessons: How the head learns.
        version: Name of the new model.
        licence: Terms of the weights; None: those of `base`.
        say: Told what happens.

    Raises:
        BadArtifactError: `base` is no whole artifact.
        BadDataError: The features are of another base, or nothing can be learned.
        ExportError: The forms of the network disagree. `out` is as it was.
    """
    source = load_artifact(base)
    old = source.manifest
    found = read_known_frames(data, old.tags)
    train = _usable(found, old)
    if found.other_tags:
        say(f"the model does not know, and cannot learn: {', '.join(found.other_tags)}")
    network = keras.models.load_model(source.file(NETWORK_FILE), compile=False)
    if base_id(network) != found.base_id:
        raise BadDataError(f"{base}: its network is not the base that gave the features")
    head = head_of(network)
    judge, (split, held_out) = found.of("validation"), _held_out(found)
    before = scores_of(head, held_out.features, old.activation)
    learned = teach_head(head, lessons, old.activation, train, judge)
    say(
        f"{len(train)} key frames learned from, best epoch {learned.epoch}; masked loss of the "
        f"frames that decide: {learned.before:.3f}, then {learned.after:.3f}"
    )
    calibration = _calibrate(old, judge, scores_of(head, judge.features, old.activation))
    fresh = old.model_copy(
        update={
            "version": version,
            "calibration": calibration,
            "licence": licence or old.licence,
            "data_sources": (*old.data_sources, DataSource(
                name=SOURCE, pictures=len(train), licence=LICENCE)),
            "created_at": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        }
    )  # fmt: skip
    after = scores_of(head, held_out.features, old.activation)
    metrics = {
        "split": split, "rejected": 0, "data": SOURCE,
        **_figures(after, held_out, fresh), "before": _figures(before, held_out, old),
    }  # fmt: skip
    artifact = _publish(network, found, source, fresh, metrics, out)
    return Relearned(artifact, learned, metrics)


def _usable(found: KnownFrames, manifest: Manifest) -> Known:
    if found.base_id != manifest.base_id:
        raise BadDataError(
            f"the features are of the base {found.base_id[:12]}, {manifest.version} has "
            f"{manifest.base_id[:12]}; start from a model with that base"
        )
    if found.all.features.shape[1] != manifest.feature_size:
        raise BadDataError("the features are not as long as those of the model")
    train = found.of("train")
    if not len(train):
        raise BadDataError(
            f"no key frame of the train split has a verdict on a tag of {manifest.version}"
        )
    return train


def _held_out(found: KnownFrames) -> tuple[Split, Known]:
    """Return the side that is measured: the first of test, validation, train that holds frames."""
    sides: tuple[Split, ...] = ("test", "validation", "train")
    filled = [(split, known) for split in sides if len(known := found.of(split))]
    return filled[0]


def _calibrate(old: Manifest, judge: Known, scores: Scores) -> Calibration:
    """Fit anew the thresholds of tags with enough known frames of both kinds; keep the others.

    The temperature stays: frames that humans chose to correct are no sample of all frames, and
    say nothing of how sure scores are in general.
    """
    thresholds = dict(old.calibration.thresholds)
    for column, tag in enumerate(old.tags):
        holds, holds_not = judge.holds[:, column], judge.holds_not[:, column]
        if min(holds.sum(), holds_not.sum()) < MIN_SUPPORT:
            continue
        rows = np.flatnonzero(holds + holds_not)
        fitted = best_f1_threshold(scores[rows, column], holds[rows])
        if fitted is not None:
            thresholds[tag] = round(float(fitted), 4)
    return Calibration(temperature=old.calibration.temperature, thresholds=thresholds)


def _figures(scores: Scores, known: Known, manifest: Manifest) -> dict[str, Any]:
    thresholds = [manifest.threshold_of(tag) for tag in manifest.tags]
    return measure_known(scores, known.holds, known.holds_not, manifest.tags, thresholds)


def _publish(
    network: keras.Model,
    found: KnownFrames,
    source: Artifact,
    manifest: Manifest,
    metrics: dict[str, Any],
    out: Path,
) -> Artifact:
    part = out.with_name(f".{out.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    files = list(found.files[:_CHECKED_PICTURES])
    inputs, kept, _ = read_network_inputs(files, manifest.preprocessing)
    if not len(kept):
        raise BadDataError("not one picture of the dataset can be read")
    reference = outputs(network, inputs)
    save_network(network, part / NETWORK_FILE)
    write_cpu_form(part)
    check_forms(part, inputs, reference)
    (part / METRICS_FILE).write_text(json.dumps(metrics, indent=2) + "\n", encoding="utf-8")
    figures = {key: value for key, value in metrics.items() if isinstance(value, float)}
    manifest = manifest.model_copy(update={"metrics": figures})
    write_lessons_card(part / CARD_FILE, manifest, metrics, source, films=found.films)
    seal_artifact(part, manifest)
    replace_directory(part, out)
    return Artifact(out, manifest)
