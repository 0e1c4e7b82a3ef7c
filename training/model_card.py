"""MODEL_CARD.md: what a model is, what it was trained on, how good it is and what it is not for.

Knows the manifest, the figures and the counts of pictures; writes prose around them.
"""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from models.artifact import CARD_FILE, Artifact
from models.manifest import Manifest
from training.checkpoints import RunState
from training.config import IMAGENET_BASE, NO_BASE, TrainConfig
from training.dataset import SPLITS, Collection

THIN_TAG = 110
"""Tags with fewer training pictures are named as thin."""

ONE_SOURCE_SHARE = 0.8
"""A tag with this share of its training pictures from one collection may have learned its look."""


def write_model_card(
    file: Path,
    manifest: Manifest,
    metrics: Mapping[str, Any],
    collection: Collection,
    config: TrainConfig,
    story: str,
) -> None:
    """Write the card.

    Args:
        file: Where to.
        manifest: Of the same artifact.
        metrics: As `evaluate.evaluate_directory`.
        collection: What it was trained on.
        config: How it was trained.
        story: How the weights came about; see `training_story`.
    """
    parts = (
        _head(manifest, config, story),
        _figures(metrics),
        _data(manifest, collection),
        _limits(manifest, collection),
        _per_tag(metrics),
    )
    file.write_text("\n\n".join(parts) + "\n", encoding="utf-8")


def write_lessons_card(
    file: Path, manifest: Manifest, metrics: Mapping[str, Any], source: Artifact, *, films: int
) -> None:
    """Write the card of a model whose head learned from corrections, above that of its source.

    Args:
        file: Where to.
        manifest: Of the new artifact.
        metrics: As `metrics.measure_known`, with `split`, and `before` of the same frames.
        source: What it was made from.
        films: Films with verdicts.
    """
    split, before = metrics["split"], metrics["before"]
    learned = manifest.data_sources[-1].pictures
    note = (
        "The films of this split were not learned from."
        if split == "test"
        else f"These are figures of the **{split}** split, which also served to learn or to choose "
        "the epoch: they flatter the model. Correct more films to hold some out."
    )
    rows = "\n".join(
        f"| {tag} | {_figure(before['per_tag'][tag]['ap'])} | {_figure(row['ap'])} | "
        f"{_figure(row['precision'])} | {_figure(row['recall'])} | {row['support']} |"
        for tag, row in metrics["per_tag"].items()
        if row["support"] or row["precision"] is not None
    )
    text = f"""# {manifest.version}

{source.version} with a head that learned from verdicts of humans on {films} films: {learned} key \
frames to learn from. The convolutional base (`{manifest.base_id[:12]}`) is the same. Made \
{manifest.created_at}. Licence: {manifest.licence}

## Figures, {split} split ({metrics["pictures"]} key frames with verdicts)

Only known tags count: a tag without a verdict is unknown, not wrong. {note}

| tag | AP before | AP | precision | recall | frames where it holds |
|---|---|---|---|---|---|
{rows}

What follows is the card of {source.version}; its figures are those of the earlier head.

---

"""
    card = source.file(CARD_FILE).read_text(encoding="utf-8")
    file.write_text(text + card, encoding="utf-8")


def training_story(state: RunState, base: str) -> str:
    """Say in words what the base began as, how long it learned and at which sizes."""
    began = {NO_BASE: "random weights", IMAGENET_BASE: "ImageNet weights"}
    rows = state.history[: state.best_epoch]
    sizes = " then ".join(dict.fromkeys(f"{row['input_px']} px" for row in rows))
    return f"from {began.get(base, Path(base).name)}, {state.best_epoch} epochs at {sizes}"


def _head(manifest: Manifest, config: TrainConfig, story: str) -> str:
    spec = manifest.preprocessing
    return f"""# {manifest.version}

Tags single pictures with {len(manifest.tags)} of the vocabulary's {len(manifest.vocabulary)} tags.

| | |
|---|---|
| Network | Inception-v3 without its top, average pooling, Dropout {config.dropout}, \
Dense {config.hidden_units} ReLU, Dense {len(manifest.tags)} {manifest.activation} |
| Input | {spec.width_px} x {spec.height_px} px RGB, `{spec.aspect}`; scaling is inside |
| Training | {story}, \
{config.optimizer}, label smoothing {config.label_smoothing} |
| Calibration | temperature {manifest.calibration.temperature:.3f}, already in the weights; one \
threshold per tag, best F1 on the validation split |
| Weights | float16, base `{manifest.base_id[:12]}` |
| Made | {manifest.created_at} |
| Licence | {manifest.licence} |"""


def _figures(metrics: Mapping[str, Any]) -> str:
    split = metrics["split"]
    note = (
        "The test split was not used for any choice."
        if split == "test"
        else f"These are figures of the **{split}** split, which also served to choose the epoch "
        "and to fit the calibration: they flatter the model. The test split was not touched."
    )
    labels = {
        "hit_at_1": "Hit@1: the best tag is a true one",
        "hit_at_3": "Hit@3: a true tag is among the best three",
        "macro_map": "Macro mAP: mean over all tags with pictures",
        "macro_map_min20": "Macro mAP over tags with at least 20 pictures",
        "micro_map": "Micro mAP: over all picture-tag pairs",
    }
    rows = "\n".join(f"| {label} | {_figure(metrics[key])} |" for key, label in labels.items())
    return f"""## Figures, {split} split ({metrics["pictures"]} pictures)

| figure | value |
|---|---|
{rows}

{note}"""


def _data(manifest: Manifest, collection: Collection) -> str:
    counts = {split: len(collection.of(split)) for split in SPLITS}
    rows = "\n".join(
        f"| {source.name} | {source.pictures} | {source.licence} |"
        for source in manifest.data_sources
    )
    return f"""## Data

{counts["train"]} training, {counts["validation"]} validation and {counts["test"]} test pictures. \
The pictures are not part of this project, and none is in the artifact.

| collection | training pictures | licence |
|---|---|---|
{rows}"""


def _limits(manifest: Manifest, collection: Collection) -> str:
    counts: Counter[str] = Counter()
    sources: dict[str, Counter[str]] = {tag: Counter() for tag in manifest.tags}
    for picture in collection.of("train"):
        counts.update(picture.tags)
        for tag in picture.tags:
            sources[tag][picture.source] += 1
    thin = [f"{tag} ({counts[tag]})" for tag in manifest.tags if counts[tag] < THIN_TAG]
    narrow = [
        tag
        for tag in manifest.tags
        if sources[tag].most_common(1)[0][1] >= ONE_SOURCE_SHARE * counts[tag]
    ]
    untrained = [tag for tag in manifest.vocabulary if tag not in manifest.tags]
    return f"""## Limits

- Figures hold for pictures like those it was trained on. Frames of a film are wider, darker and \
blurred by motion: expect less there.
- Not trained, and therefore never returned: {_names(untrained)}.
- Thin tags, under {THIN_TAG} training pictures: {_names(thin)}.
- Tags with {ONE_SOURCE_SHARE:.0%} or more of their training pictures from one collection, whose \
look may have been learned in place of the tag, so that figures overstate real films: \
{_names(narrow)}.
- Labels are positive only: a missing tag is not a verified negative, so precision is understated \
where tags overlap.
- Tags say what a picture looks like. They are no ground for decisions about people."""


def _per_tag(metrics: Mapping[str, Any]) -> str:
    rows = "\n".join(
        f"| {tag} | {_figure(row['ap'])} | {_figure(row['precision'])} | "
        f"{_figure(row['recall'])} | {row['support']} |"
        for tag, row in metrics["per_tag"].items()
    )
    return f"""## Per tag, {metrics["split"]} split

Precision and recall at the tag's threshold.

| tag | AP | precision | recall | pictures |
|---|---|---|---|---|
{rows}"""


def _names(names: list[str]) -> str:
    return ", ".join(names) if names else "none"


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
