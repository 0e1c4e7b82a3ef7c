"""`reeltag-train`: from a folder of tagged pictures to a model the service can load.

Reads options, shows progress, turns known errors into one clear line and an exit code. Knows no
training: TensorFlow is only imported when there is work for it.
"""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from training.cli_corrections import from_corrections_command, learn
from training.cli_evaluate import evaluate_command, split_named
from training.config import TrainConfig, read_config, read_recipe, unsaid_of
from training.console import (
    EXIT_USAGE,
    clear_errors,
    console,
    fail,
    quiet_tensorflow,
    show_collection,
    show_metrics,
)
from training.dataset import Collection, read_collection
from training.publication import Publication

ARTIFACT_DIR = "artifact"
"""The finished model inside the directory of a run."""

UNKNOWN_LICENCE = "As the training pictures allow; see the data sources."

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
)
_DATA_HELP = (
    "Folder with the pictures: a folder per tag (its name or slug), or any layout with --manifest."
)

Data = Annotated[Path, typer.Option(help=_DATA_HELP)]
Manifest = Annotated[
    Path | None,
    typer.Option(
        help="CSV or Parquet with the columns file,tags[,split][,group]; several tags are "
        "separated by ';'. Default: DATA/manifest.csv where there is one."
    ),
]
Version = Annotated[
    str | None, typer.Option(help="Name of the model. Default: the name of the directory.")
]
Licence = Annotated[str, typer.Option(help="Terms of the weights, for manifest and model card.")]
Measure = Annotated[
    str, typer.Option(help="Split whose figures are published: test or validation.")
]


@app.callback(invoke_without_command=True)
def train_command(
    ctx: typer.Context,
    data: Annotated[
        Path | None,
        typer.Option(help=_DATA_HELP),
    ] = None,
    manifest: Manifest = None,
    base: Annotated[
        str,
        typer.Option(
            help="What the convolutional base begins as: none (random), imagenet (Keras fetches "
            "the weights), or a PATH to an artifact or weights file."
        ),
    ] = "none",
    base_weights: Annotated[
        Path | None, typer.Option(help="The ImageNet weights as a file, without internet.")
    ] = None,
    from_features: Annotated[
        Path | None,
        typer.Option(
            help="In place of --data: a dataset of `from-corrections`. Only the head of the "
            "artifact --base learns, on stored features."
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Directory of the run. The same command again goes on where it was."),
    ] = None,
    recipe: Annotated[
        Path | None, typer.Option(help="JSON with any choices of the run; options win over it.")
    ] = None,
    epochs: Annotated[int | None, typer.Option(help="Passes over the training split.")] = None,
    input_px: Annotated[int | None, typer.Option(help="Side of the network input.")] = None,
    start_px: Annotated[
        int | None, typer.Option(help="Smaller side for the first epochs; default: input-px.")
    ] = None,
    grow_at: Annotated[
        float | None, typer.Option(help="Share of the epochs after which input-px is used.")
    ] = None,
    batch_size: Annotated[int | None, typer.Option(help="Pictures in one step.")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Highest learning rate.")] = None,
    schedule: Annotated[
        str | None, typer.Option(help="How the rate falls: cosine (default), linear, constant.")
    ] = None,
    warmup_epochs: Annotated[
        float | None, typer.Option(help="Epochs in which the rate climbs first; 0: none.")
    ] = None,
    optimizer: Annotated[str | None, typer.Option(help="adamw or sgd.")] = None,
    head: Annotated[
        str | None, typer.Option(help="softmax (tags compete) or sigmoid (tags are independent).")
    ] = None,
    dropout: Annotated[float | None, typer.Option(help="Share of features left out.")] = None,
    label_smoothing: Annotated[float | None, typer.Option(help="0 is off.")] = None,
    balance: Annotated[
        float | None, typer.Option(help="0: all pictures alike; 1: all tags alike.")
    ] = None,
    mirror: Annotated[bool | None, typer.Option(help="Mirror half of the pictures.")] = None,
    random_crop: Annotated[bool | None, typer.Option(help="Train on random parts.")] = None,
    colour_jitter: Annotated[float | None, typer.Option(help="0 is off.")] = None,
    letterbox: Annotated[float | None, typer.Option(help="Share with black bars.")] = None,
    jpeg_noise: Annotated[float | None, typer.Option(help="Share packed as poor JPEG.")] = None,
    video_noise: Annotated[float | None, typer.Option(help="Share like poor video.")] = None,
    unknown_weight: Annotated[
        float | None, typer.Option(help="sigmoid: how much a missing tag counts as a negative.")
    ] = None,
    mixup: Annotated[float | None, typer.Option(help="Alpha of mixup; 0 is off.")] = None,
    average: Annotated[
        float | None,
        typer.Option(help="Validate and publish averaged weights; 0.998: of about 500 steps."),
    ] = None,
    head_epochs: Annotated[
        int | None, typer.Option(help="With a base: epochs of the head alone before it.")
    ] = None,
    unfreeze_from: Annotated[
        str | None,
        typer.Option(help="First base layer that learns, e.g. mixed7; default: the whole base."),
    ] = None,
    patience: Annotated[
        int | None, typer.Option(help="Stop after so many epochs without progress; 0: never.")
    ] = None,
    precision: Annotated[
        str | None,
        typer.Option(help="bfloat16 (default), float16 or float32; weights stay float32."),
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Everything random follows from it.")] = None,
    devices: Annotated[
        str, typer.Option(help="GPUs that share every step: auto (all of them) or a number.")
    ] = "auto",
    tensorboard: Annotated[
        bool, typer.Option(help="Write figures for TensorBoard to OUT/tensorboard.")
    ] = True,
    version: Version = None,
    licence: Licence = UNKNOWN_LICENCE,
    measure: Measure = "test",
) -> None:
    """Train an Inception-v3 on your tagged pictures and publish a model for Reeltag.

    **From scratch:** `reeltag-train --data pictures --base none --out runs/mine`

    **From ImageNet:** `reeltag-train --data pictures --base imagenet --out runs/mine`

    **From a model:** `reeltag-train --data pictures --base models/starter --out runs/mine`

    **From corrections:** `reeltag-train --from-features corrections --base models/starter --out
    models/starter-2` writes the new model itself to OUT.

    A checkpoint is written after every epoch: when the run is cut short, the same command goes
    on. The finished model lies in `OUT/artifact`.
    """
    if ctx.invoked_subcommand is not None:
        return
    choices = {
        name: value
        for name, value in ctx.params.items()
        if name in TrainConfig.__dataclass_fields__ and value is not None
    }
    if from_features is not None and out is not None:
        if data is not None:
            fail("--data and --from-features do not go together", EXIT_USAGE)
        chosen = None if licence == UNKNOWN_LICENCE else licence
        return learn(from_features, base, out, choices, version, chosen)
    if data is None or out is None:
        fail("--data and --out are needed; `reeltag-train --help` explains them", EXIT_USAGE)
    with clear_errors():
        config = _config(choices, recipe, out)
        collection = read_collection(data, manifest, seed=config.seed)
        show_collection(collection)
        _train_and_export(
            collection, config, out, _publication(version or out.name, licence, measure, base),
            base=base, base_weights_file=base_weights, devices=devices, tensorboard=tensorboard,
        )  # fmt: skip


@app.command("export")
def export_command(
    run_dir: Annotated[Path, typer.Argument(help="Directory of a run, finished or not.")],
    data: Data,
    out: Annotated[Path, typer.Option(help="Directory of the artifact; replaced as a whole.")],
    manifest: Manifest = None,
    input_px: Annotated[
        int | None, typer.Option(help="Side of the network input; default: that of the best epoch.")
    ] = None,
    version: Version = None,
    licence: Licence = UNKNOWN_LICENCE,
    measure: Measure = "test",
    base: Annotated[str, typer.Option(help="What the run began as, for the card.")] = "none",
) -> None:
    """Publish the best epoch so far of a run as an artifact, also while the run goes on."""
    with clear_errors():
        config = read_config(run_dir)
        collection = read_collection(data, manifest, seed=config.seed)
        publication = _publication(version or out.name, licence, measure, base)
        quiet_tensorflow()
        from training.train import load_trained

        network, state = load_trained(run_dir, config)
        _export(network, collection, config, out, publication, state, input_px)


app.command("evaluate")(evaluate_command)
app.command("from-corrections")(from_corrections_command)


def main() -> None:
    """Run the command line."""
    app()


def _train_and_export(
    collection: Collection,
    config: TrainConfig,
    out: Path,
    publication: Publication,
    **how: Any,  # noqa: ANN401 (as `training.train.train` names them)
) -> None:
    quiet_tensorflow()
    from training.train import train

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:.0f}/{task.total:.0f}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as progress:
        bar = progress.add_task("starting", total=1)

        def watch(epoch: int, step: int, steps: int, loss: float) -> None:
            text = f"epoch {epoch}/{config.epochs}  loss {loss:.3f}"
            progress.update(bar, description=text, completed=step, total=steps)

        network, state = train(
            collection, config, out, **how,
            say=lambda line: progress.console.print(line, highlight=False), watch=watch,
        )  # fmt: skip
    _export(network, collection, config, out / ARTIFACT_DIR, publication, state, None)


def _export(
    network: Any,  # noqa: ANN401 (a keras.Model; Keras is not imported here)
    collection: Collection,
    config: TrainConfig,
    out: Path,
    publication: Publication,
    state: Any,  # noqa: ANN401 (a RunState, likewise)
    input_px: int | None,
) -> None:
    from training.evaluate import read_metrics
    from training.export import export_artifact

    console.print("exporting, checking the forms against each other, measuring ...")
    artifact = export_artifact(
        network, collection, config, out, publication, state, input_px=input_px
    )
    show_metrics(read_metrics(artifact.path))
    console.print(f"model {artifact.version} lies in {artifact.path}")


def _config(choices: dict[str, Any], recipe: Path | None, out: Path) -> TrainConfig:
    """Combine defaults, recipe, options, and what an older run in `out` meant without saying."""
    chosen = unsaid_of(out) | (read_recipe(recipe) if recipe else {}) | choices
    if "input_px" in chosen:
        chosen.setdefault("start_px", min(chosen["input_px"], TrainConfig().start_px))
    return TrainConfig(**chosen)


def _publication(version: str, licence: str, measure: str, base: str) -> Publication:
    return Publication(
        version=version, licence=licence, measured_split=split_named(measure), base=base
    )
