"""The commands of `reeltag-train` that learn from verdicts: take them, let a head learn.

Reads options and prints lines; TensorFlow is only imported when there is work for it.
"""

from pathlib import Path
from typing import Annotated, Any

import typer

from models.artifact import load_artifact
from reeltag.client import Client
from reeltag.errors import ReeltagError
from training.console import (
    EXIT_FAILED,
    EXIT_USAGE,
    clear_errors,
    console,
    fail,
    quiet_tensorflow,
    show_metrics,
)
from training.corrections import build_dataset


def from_corrections_command(
    out: Annotated[Path, typer.Option(help="Directory of the dataset; replaced as a whole.")],
    server: Annotated[str, typer.Option(help="Where the service is.")] = "http://127.0.0.1:8000",
    seed: Annotated[int, typer.Option(help="Of the split; whole films stand on one side.")] = 1,
) -> None:
    """Take the key frames that humans judged out of a library, with their stored features.

    Example: `reeltag-train from-corrections --server http://127.0.0.1:8000 --out corrections`
    """
    with clear_errors():
        try:
            with Client(server) as client:
                origin = build_dataset(client, out, seed=seed, say=_say)
        except ReeltagError as exc:
            fail(f"{server}: {exc}", EXIT_FAILED)
    _say(
        f"{origin.frames} key frames of {origin.films} films, base {origin.base_id[:12]} "
        f"({origin.model_version}), in {out}"
    )


def learn(
    data: Path, base: str, out: Path, choices: dict[str, Any], version: str | None,
    licence: str | None,
) -> None:  # fmt: skip
    """Let the head of the artifact `base` learn from a dataset with stored features.

    Args:
        data: The dataset.
        base: Path of an artifact.
        out: Directory of the new artifact.
        choices: Fields of `lessons.Lessons` that were asked for.
        version: Name of the model; None: that of `out`.
        licence: Terms of the weights; None: those of `base`.
    """
    with clear_errors():
        load_artifact(Path(base))
        quiet_tensorflow()
        from training.lessons import Lessons
        from training.relearn import relearn

        strangers = sorted(set(choices) - set(Lessons.__dataclass_fields__))
        if strangers:
            names = ", ".join(f"--{name.replace('_', '-')}" for name in strangers)
            fail(f"{names} is not for a head that learns from features", EXIT_USAGE)
        made = relearn(
            data, Path(base), out, Lessons(**choices),
            version=version or out.name, licence=licence, say=_say,
        )  # fmt: skip
        show_metrics(made.metrics)
        for tag, row in made.metrics["per_tag"].items():
            was = made.metrics["before"]["per_tag"][tag]["ap"]
            if row["ap"] is not None and was is not None:
                _say(f"{tag}: average precision {was:.3f}, now {row['ap']:.3f}")
        if made.metrics["split"] != "test":
            _say(f"measured on the {made.metrics['split']} split: too few films to hold some out")
        _say(f"model {made.artifact.version} lies in {made.artifact.path}")


def _say(line: str) -> None:
    console.print(line, highlight=False, markup=False, soft_wrap=True)
