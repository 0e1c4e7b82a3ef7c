"""The page itself: an evaluation told section by section, in one file that loads nothing.

Knows what was measured; plots, pictures and HTML are made by its neighbours.
"""

import csv
import importlib.util
from collections.abc import Mapping, Sequence
from dataclasses import replace
from html import escape
from pathlib import Path
from string import Template
from typing import Any

from models.artifact import Artifact
from training.confusion import RULE, confusion_matrix
from training.console import FIGURES
from training.errors import BadDataError
from training.evaluate import DEFAULT_THRESHOLD_RULE, LEARNED_RULE, Evaluation, Scored
from training.report import plots
from training.report.fragments import matrix, paragraph, plot, section, table
from training.report.pictures import (
    LOOKED_INTO,
    Example,
    data_address,
    examples,
    looks,
    surest,
)
from training.run_log import LOG_FILE

_TEMPLATE = Path(__file__).with_name("template.html")


def write_report(
    file: Path, artifact: Artifact, evaluation: Evaluation, run_dir: Path | None = None
) -> None:
    """Write the page.

    Args:
        file: Where to.
        artifact: What was measured.
        evaluation: The figures and what they are from.
        run_dir: Directory of the run, for its learning curves; None leaves them out.

    Raises:
        BadDataError: `run_dir` has no log that can be read. Nothing was written.
    """
    metrics, manifest = evaluation.metrics, artifact.manifest
    sections = {
        "figures": ("Figures", _figures(metrics)),
        "tags": ("Tags", _tags(evaluation)),
        "calibration": ("Calibration", _calibration(metrics)),
        "confusion": ("Tags taken for others", _confusion(evaluation, manifest.tags)),
    }
    if evaluation.baseline is not None:
        sections["baseline"] = ("Beside a baseline that is no network", _baseline(metrics))
    if run_dir is not None:
        sections["learning"] = ("Learning curves", _learning(run_dir))
    sections["pictures"] = ("Pictures", _pictures(evaluation.scored, artifact))
    views = "each with its mirrored self" if metrics["views"] == 2 else "one view each"
    text = Template(_TEMPLATE.read_text(encoding="utf-8")).substitute(
        title=escape(f"{manifest.version}: how good it is"),
        subtitle=escape(
            f"{metrics['split']} split, {metrics['pictures']} pictures, {views}; "
            f"{len(manifest.tags)} tags; input {manifest.preprocessing.width_px} x "
            f"{manifest.preprocessing.height_px} px; {metrics['rejected']} pictures unreadable"
        ),
        links="".join(
            f'<a href="#{key}">{escape(title)}</a>' for key, (title, _) in sections.items()
        ),
        sections="\n".join(section(key, title, *parts) for key, (title, parts) in sections.items()),
    )
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")


def read_log(run_dir: Path) -> list[dict[str, float]]:
    """Read the log of a run, a row per epoch; a figure that an epoch lacks is not in its row.

    Raises:
        BadDataError: It is not there, is empty, or is no such log.
    """
    file = run_dir / LOG_FILE
    try:
        with file.open(encoding="utf-8", newline="") as stream:
            rows = [
                {name: float(value) for name, value in row.items() if value}
                for row in csv.DictReader(stream)
            ]
    except (OSError, ValueError, TypeError) as exc:
        raise BadDataError(f"{file}: not the log of a run: {exc}") from exc
    if not rows or not all({"epoch", "loss"} <= row.keys() for row in rows):
        raise BadDataError(f"{file}: not the log of a run: no epoch with a loss")
    return rows


def _figures(metrics: Mapping[str, Any]) -> list[str]:
    labels = {
        "hit_at_1": "Hit@1: the best tag is a true one",
        "hit_at_3": "Hit@3: a true tag is among the best three",
        "macro_map": "Macro mAP: mean over all tags with pictures",
        "macro_map_min20": "Macro mAP over tags with at least 20 pictures",
        "micro_map": "Micro mAP: over all picture-tag pairs",
        "macro_f1": "Macro F1 at the tags' thresholds",
        "micro_f1": "Micro F1 at the tags' thresholds",
    }
    learned = metrics["tags_learned"]
    parts = [
        table(("figure", "value"), [(label, metrics[key]) for key, label in labels.items()]),
        paragraph(
            "Labels are positive only: a missing tag is not a verified negative, so precision is "
            "understated where tags overlap."
        ),
        table(
            ("tags", "number", "which"),
            [
                (name, len(learned[key]), ", ".join(learned[key]) or "none")
                for name, key in (
                    ("learned", "learned"),
                    ("not learned", "not_learned"),
                    ("too few pictures to tell", "not_to_be_told"),
                )
            ],
        ),
        paragraph(f"Rule: {LEARNED_RULE}."),
    ]
    if metrics["split"] != "test":
        parts.append(
            paragraph(
                f"These are figures of the {metrics['split']} split, which also served to learn, "
                "or to choose the epoch and the thresholds: they flatter the model."
            )
        )
    return parts


def _tags(evaluation: Evaluation) -> list[str]:
    metrics, scored = evaluation.metrics, evaluation.scored
    defaults = set(metrics["thresholds"]["default_tags"])
    rows = [
        (
            tag, row["ap"], row["precision"], row["recall"], row["f1"], row["support"],
            row["threshold"], "default" if tag in defaults else "manifest",
        )
        for tag, row in metrics["per_tag"].items()
    ]  # fmt: skip
    titles = ("tag", "AP", "precision", "recall", "F1", "pictures", "threshold", "from")
    return [
        plot(
            plots.precision_recall_plot(scored.scores, scored.truth, evaluation.baseline),
            "Precision over recall, all picture-tag pairs",
        ),
        plot(
            plots.precision_recall_per_tag(
                scored.scores, scored.truth, metrics["per_tag"], evaluation.baseline
            ),
            "Precision over recall of each tag, with its average precision; the dot is its "
            "threshold"
            + ("; the thin line is the baseline" if evaluation.baseline is not None else ""),
        ),
        table(titles, rows),
        paragraph(f"Precision, recall and F1 at the threshold; {DEFAULT_THRESHOLD_RULE}."),
    ]


def _calibration(metrics: Mapping[str, Any]) -> list[str]:
    found = metrics["calibration"]
    return [
        paragraph(
            f"Temperature {found['temperature']:.3f}, in the scores already. On the line, a score "
            "of 0.7 is right seven times in ten. Missing labels pull the bars down; scores of a "
            "softmax sum to 1 however many tags hold."
        ),
        plot(plots.reliability_plot(found), "Share of scores that are right, in bins of the score"),
    ]


def _confusion(evaluation: Evaluation, tags: Sequence[str]) -> list[str]:
    scored = evaluation.scored
    pairs = [
        (pair["tag"], pair["taken_for"], pair["pictures"], f"{pair['share']:.0%}")
        for pair in evaluation.metrics["confusion"]["pairs"]
    ]
    return [
        paragraph(f"Rule: {RULE}. Rows are the pictures' own tags, columns the best tag."),
        table(("tag", "taken for", "pictures", "of those with the tag"), pairs),
        matrix(confusion_matrix(scored.scores, scored.truth).tolist(), tags),
    ]


def _baseline(metrics: Mapping[str, Any]) -> list[str]:
    theirs = metrics["baseline"]
    return [
        paragraph(
            f"{theirs['kind']}, from {theirs['train_pictures']} pictures of the train split, in "
            f"{theirs['seconds']} s."
        ),
        table(
            ("figure", "network", "baseline"),
            [(name, metrics[name], theirs[name]) for name in FIGURES],
        ),
        table(("ratio of macro mAP", "value"), [("network over baseline", theirs["ratio"])]),
        plot(
            plots.baseline_plot(metrics["per_tag"], theirs["ap"]),
            "Average precision of each tag, network and baseline",
        ),
    ]


def _learning(run_dir: Path) -> list[str]:
    log = read_log(run_dir)
    return [plot(plots.learning_plot(log), f"Loss and validation figures of {len(log)} epochs")]


def _pictures(scored: Scored, artifact: Artifact) -> list[str]:
    groups = {side: surest(scored, right=side) for side in (True, False)}
    shown = {side: examples(scored, artifact, rows) for side, rows in groups.items()}
    if importlib.util.find_spec("tensorflow") is None:
        said = "TensorFlow is not installed: where the network looks could not be drawn."
    else:
        asked = [*groups[True][:LOOKED_INTO], *groups[False][:LOOKED_INTO]]
        layer, found = looks(scored, artifact, asked)
        said = (
            f"Coloured: what of the picture speaks for the tag, by Grad-CAM (Selvaraju et al. "
            f"2017) on the maps of the layer {layer}."
        )
        begin = 0
        for side, rows in groups.items():
            count = len(rows[:LOOKED_INTO])
            shown[side][:count] = [
                replace(example, looks=tuple(look))
                for example, look in zip(
                    shown[side][:count], found[begin : begin + count], strict=True
                )
            ]
            begin += count
    return [
        paragraph(
            f"The surest, at most two of one best tag. {said} These pictures lie inside this file: "
            "pass it on only as their licence allows."
        ),
        "<h3>Right</h3>",
        _gallery(shown[True]),
        "<h3>Wrong, as labelled</h3>",
        _gallery(shown[False]),
    ]


def _gallery(shown: Sequence[Example]) -> str:
    if not shown:
        return paragraph("None.")
    return f'<div class="pictures">{"".join(map(_card, shown))}</div>'


def _card(example: Example) -> str:
    tag, score = example.best
    views = [(example.picture, example.name), *((look.picture, look.tag) for look in example.looks)]
    pictures = "".join(
        f'<div><img src="{data_address(picture)}" alt="{escape(says)}">'
        f"<small>{escape(says)}</small></div>"
        for picture, says in views
    )
    return (
        f'<figure><div class="views">{pictures}</div><figcaption>best: <b>{escape(tag)}</b> '
        f"{score:.2f}; labelled: {escape(', '.join(example.own))}</figcaption></figure>"
    )
