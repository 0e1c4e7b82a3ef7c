"""`reeltag models`: the models of the library from the command line."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli_library import open_library, print_json, print_table

if TYPE_CHECKING:
    from app.domain.comparison import Comparison, TagFigures

models = typer.Typer(
    rich_markup_mode=None,
    name="models",
    no_args_is_help=True,
    help="Add, compare, activate models.",
)


@models.callback()
def _models() -> None:
    """Add, compare, activate models."""


@models.command("list")
def list_models(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
) -> None:
    """List the models that this library knows; the active one is used for new analyses."""
    with open_library() as services:
        from app.api.models import model_bodies

        bodies = model_bodies(services)
        if as_json:
            print_json([body.model_dump(mode="json") for body in bodies])
            return
        rows = [
            (
                body.version,
                "active" if body.active else "",
                len(body.tags),
                f"{body.width_px}x{body.height_px}",
                _figure(body.metrics.get("hit_at_3")),
                body.created_at,
            )
            for body in bodies
        ]
        print_table(
            ("version", "", "tags", "input", "hit@3", "made"),
            rows,
            "No model: REELTAG_MODEL_PATH names no artifact.",
        )


@models.command("add")
def add_model(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="Folder of an artifact.", show_default=False)
    ],
) -> None:
    """Take a model into the library; it is used once it is activated.

    It is checked and copied: the folder is not needed afterwards. A version stands for one content
    for ever: the same one again changes nothing, another one is refused.
    """
    with open_library() as services:
        record, is_new = services.publisher.add(folder)
        typer.echo(f"{record.version}  {'added' if is_new else 'is here already'}")


@models.command("activate")
def activate_model(
    version: Annotated[str, typer.Argument(help="A model of `reeltag models list`.")],
) -> None:
    """Use a model for new analyses; running workers load it by themselves.

    Films that are done keep their tags until `reeltag films retag --stale`.
    """
    with open_library() as services:
        record = services.publisher.activate(version)
        typer.echo(f"{record.version}  active")


@models.command("compare")
def compare_models(
    before: Annotated[str, typer.Argument(metavar="A", help="A model, or an artifact's folder.")],
    after: Annotated[str, typer.Argument(metavar="B", help="The model that is to follow it.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
) -> None:
    """Show which tags gain and which lose from model A to model B.

    By the figures in their metrics.json, which were measured when they were made.
    """
    with open_library() as services:
        found = services.publisher.compare(before, after)
        if as_json:
            print_json(_comparison(before, after, found))
            return
        _print_comparison(before, after, found)


def _print_comparison(before: str, after: str, found: "Comparison") -> None:
    totals = [
        (name, _figure(one), _figure(other), _gain(one, other))
        for name, (one, other) in found.totals.items()
    ]
    print_table(("", before, after, "gain"), totals, "")
    rows = [
        (
            change.tag, *_columns(change.before), *_columns(change.after),
            "-" if change.gain is None else f"{change.gain:+.3f}",
        )
        for change in found.tags
    ]  # fmt: skip
    typer.echo()
    columns = ("AP", "precision", "recall")
    print_table(
        ("tag", *(f"A {name}" for name in columns), *(f"B {name}" for name in columns), "AP gain"),
        rows,
        "No tags.",
    )
    for name, tags in ((before, found.only_before), (after, found.only_after)):
        if tags:
            typer.echo(f"only in {name}: {', '.join(tags)}")
    if not found.is_same_test:
        typer.echo("The two were measured on different pictures: differences tell less.")


def _comparison(before: str, after: str, found: "Comparison") -> dict[str, Any]:
    from dataclasses import asdict

    return {
        "a": before,
        "b": after,
        "totals": {name: {"a": one, "b": other} for name, (one, other) in found.totals.items()},
        "tags": [
            {
                "tag": change.tag,
                "a": change.before and asdict(change.before),
                "b": change.after and asdict(change.after),
                "gain": change.gain,
            }
            for change in found.tags
        ],
        "only_a": found.only_before,
        "only_b": found.only_after,
        "same_test": found.is_same_test,
    }


def _columns(figures: "TagFigures | None") -> tuple[str, str, str]:
    if figures is None:
        return ("", "", "")
    return _figure(figures.ap), _figure(figures.precision), _figure(figures.recall)


def _gain(before: float | None, after: float | None) -> str:
    from app.domain.comparison import difference

    won = difference(before, after)
    return "-" if won is None else f"{won:+.3f}"


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
