"""From trained weights to a sealed artifact that the service can load.

Lays the files, checks that every form of the network says the same, fits temperature and
thresholds on the validation split, measures, seals. Refuses to seal what does not agree.
"""

import datetime
import io
import json
import shutil
import zipfile
from collections import Counter
from pathlib import Path

import h5py
import keras
import numpy as np
from numpy.typing import NDArray

from models.artifact import CARD_FILE, METRICS_FILE, NETWORK_FILE, Artifact, seal_artifact
from models.cpu_form import KERAS_WEIGHTS_MEMBER
from models.manifest import Calibration, DataSource, Manifest
from models.preprocessing import Pictures, PreprocessingSpec
from training.calibration import fit_temperature, fit_thresholds
from training.checkpoints import RunState
from training.config import Head, TrainConfig
from training.cpu_graph import write_cpu_form
from training.dataset import Collection, target_rows
from training.errors import ExportError
from training.evaluate import evaluate_directory
from training.model_card import training_story, write_model_card
from training.network import FEATURES_LAYER, LOGITS_LAYER, base_id, build_network
from training.publication import Publication
from training.scoring import CpuNetwork
from training.steps import logits_of
from training.store import read_network_inputs

MAX_SCORE_DIFFERENCE = 0.02
"""Largest difference of one score between float32 weights and the float16 forms."""

MIN_TOP3_OVERLAP = 0.97
"""Least share of common tags among the best three of each picture, on average."""

FORMS_TOLERANCE = 2e-3
"""Largest difference of one score between `network.keras` and the CPU form: the same weights."""

TIE = 1e-3
"""Scores closer than this are equal: which of them comes third is chance."""

_CHECKED_PICTURES = 64
_BATCH = 64

Form = tuple[NDArray[np.float32], NDArray[np.float32]]
"""Scores `(n, tags)` and features `(n, 2048)` of the same pictures."""


def export_artifact(
    network: keras.Model,
    collection: Collection,
    config: TrainConfig,
    out: Path,
    publication: Publication,
    state: RunState,
    *,
    input_px: int | None = None,
) -> Artifact:
    """Write and seal an artifact.

    Args:
        network: Trained; takes inputs of any size.
        collection: Gives validation pictures for calibration and those to be measured.
        config: How the network was trained.
        out: Directory of the artifact; replaced only when all went well.
        publication: Name, licence, and which split is measured.
        state: Where the run stood; its best epoch is published.
        input_px: Side of the network input; None takes that of the best epoch.

    Raises:
        ExportError: The forms disagree. `out` is as it was.
    """
    part = out.with_name(f".{out.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    px = input_px or state.best_input_px()
    spec = PreprocessingSpec(width_px=px, height_px=px)
    final = _fixed_size_network(network, config, len(collection.tags), px)
    held_out = collection.of("validation")
    inputs, kept, _ = read_network_inputs([picture.file for picture in held_out], spec)
    truth = target_rows([held_out[i] for i in kept], collection.tags, normalised=False)

    temperature = bake_temperature(final, inputs, truth, config.head)
    reference = outputs(final, inputs[:_CHECKED_PICTURES])
    save_network(final, part / NETWORK_FILE)
    write_cpu_form(part)
    check_forms(part, inputs[:_CHECKED_PICTURES], reference)

    scores, _ = CpuNetwork(part)(inputs)
    thresholds = fit_thresholds(scores, truth, collection.tags)
    manifest = Manifest(
        version=publication.version,
        tags=collection.tags,
        preprocessing=spec,
        activation=config.head,
        calibration=Calibration(temperature=temperature, thresholds=thresholds),
        base_id=base_id(final),
        data_sources=data_sources(collection),
        licence=publication.licence,
        created_at=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    )
    metrics = evaluate_directory(part, manifest, collection, publication.measured_split)
    (part / METRICS_FILE).write_text(json.dumps(metrics, indent=2) + "\n", encoding="utf-8")
    figures = {key: value for key, value in metrics.items() if isinstance(value, float)}
    manifest = manifest.model_copy(update={"metrics": figures})
    story = training_story(state, publication.base)
    write_model_card(part / CARD_FILE, manifest, metrics, collection, config, story)
    seal_artifact(part, manifest)
    replace_directory(part, out)
    return Artifact(out, manifest)


def bake_temperature(
    network: keras.Model, inputs: Pictures, truth: NDArray[np.float32], head: Head
) -> float:
    """Fit the temperature and divide the last layer by it, so no reader needs to know it.

    Returns:
        The temperature, for the record.
    """
    temperature = fit_temperature(outputs(logits_of(network), inputs), truth, head)
    layer = network.get_layer(LOGITS_LAYER)
    layer.set_weights([weight / temperature for weight in layer.get_weights()])
    return temperature


def save_network(network: keras.Model, file: Path) -> None:
    """Save a network with float16 weights in a file that stock Keras loads.

    Raises:
        ExportError: A weight is too large for float16.
    """
    network.save(file)
    half = file.with_suffix(".half")
    with zipfile.ZipFile(file) as source, zipfile.ZipFile(half, "w") as target:
        for member in source.infolist():
            data = source.read(member)
            if member.filename == KERAS_WEIGHTS_MEMBER:
                data = _halved(data)
            # The date of the archive's parts says nothing; the manifest has the real one.
            target.writestr(zipfile.ZipInfo(member.filename, (2020, 1, 1, 0, 0, 0)), data)
    half.replace(file)


def check_forms(directory: Path, inputs: Pictures, reference: NDArray[np.float32]) -> None:
    """Compare the saved network and its CPU form with the network in memory.

    Args:
        directory: Holds `network.keras` and the CPU form.
        inputs: Network inputs.
        reference: Scores of the network in memory for them, `(n, tags)`.

    Raises:
        ExportError: They differ more than float16 weights explain.
    """
    saved = keras.models.load_model(directory / NETWORK_FILE, compile=False)
    features = keras.Model(saved.input, saved.get_layer(FEATURES_LAYER).output)
    compare_forms(
        reference,
        (outputs(saved, inputs), outputs(features, inputs)),
        CpuNetwork(directory)(inputs),
    )


def compare_forms(reference: NDArray[np.float32], saved: Form, cpu: Form) -> dict[str, float]:
    """Compare what three forms of one network say of the same pictures.

    Args:
        reference: Scores of the network in memory, float32 weights.
        saved: Scores and features of the saved network, float16 weights.
        cpu: Scores and features of the CPU form, the same weights.

    Returns:
        Largest differences, those of features relative to the largest feature, and the overlap
        of the best three tags.

    Raises:
        ExportError: They differ more than float16 weights explain.
    """
    largest = max(1.0, float(np.abs(saved[1]).max()))
    found = {
        "saved_difference": float(np.abs(saved[0] - reference).max()),
        "saved_top3_overlap": top3_overlap(saved[0], reference),
        "cpu_difference": float(np.abs(cpu[0] - saved[0]).max()),
        "cpu_feature_difference": float(np.abs(cpu[1] - saved[1]).max()) / largest,
        "cpu_top3_overlap": top3_overlap(cpu[0], reference),
    }
    agree = (
        found["saved_difference"] <= MAX_SCORE_DIFFERENCE
        and min(found["saved_top3_overlap"], found["cpu_top3_overlap"]) >= MIN_TOP3_OVERLAP
        and max(found["cpu_difference"], found["cpu_feature_difference"]) <= FORMS_TOLERANCE
    )
    if not agree:
        raise ExportError(f"the forms of the network disagree: {found}")
    return found


def outputs(network: keras.Model, inputs: Pictures) -> NDArray[np.float32]:
    """Return the network's output for `(n, px, px, 3)` uint8 RGB, without compiling it first."""
    starts = range(0, len(inputs), _BATCH)
    parts = [network(inputs[start : start + _BATCH], training=False) for start in starts]
    return np.concatenate([np.asarray(part, np.float32) for part in parts])


def top3_overlap(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """Return the share of the best three tags of `one` that are among the best three of `other`.

    A tag within `TIE` of the third best of `other` counts as among them.
    """
    k = min(3, one.shape[1])
    best = np.argsort(-one, axis=1, kind="stable")[:, :k]
    third = np.sort(other, axis=1)[:, -k][:, None]
    return float((np.take_along_axis(other, best, axis=1) >= third - TIE).mean())


def data_sources(collection: Collection) -> tuple[DataSource, ...]:
    """List the collections of the training split with their size and licence.

    Parts of one collection, written ``collection: part``, are added up.
    """
    counts = Counter(
        (p.source.split(":")[0] or "unstated", p.licence or "unstated")
        for p in collection.of("train")
    )
    return tuple(
        DataSource(name=name, pictures=pictures, licence=licence)
        for (name, licence), pictures in sorted(counts.items())
    )


def _fixed_size_network(
    network: keras.Model, config: TrainConfig, tags: int, px: int
) -> keras.Model:
    final = build_network(
        tags,
        input_px=px,
        dropout=config.dropout,
        hidden_units=config.hidden_units,
        head=config.head,
    )
    final.set_weights(network.get_weights())
    return final


def _halved(data: bytes) -> bytes:
    """Copy an HDF5 file with its float32 datasets as float16."""
    out = io.BytesIO()
    with h5py.File(io.BytesIO(data), "r") as source, h5py.File(out, "w") as target:

        def copy(name: str, item: h5py.Group | h5py.Dataset) -> None:
            if isinstance(item, h5py.Group):
                made = target.require_group(name)
            else:
                value = item[()]
                if value.dtype == np.float32:
                    value = value.astype(np.float16)
                    if not np.isfinite(value).all():
                        raise ExportError(f"a weight of {name} is too large for float16")
                made = target.create_dataset(name, data=value)
            for key, attribute in item.attrs.items():
                made.attrs[key] = attribute

        for key, attribute in source.attrs.items():
            target.attrs[key] = attribute
        source.visititems(copy)
    return out.getvalue()


def replace_directory(part: Path, out: Path) -> None:
    """Put the whole directory `part` in the place of `out`."""
    old = out.with_name(f".{out.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if out.exists():
        out.rename(old)
    part.rename(out)
    shutil.rmtree(old, ignore_errors=True)
