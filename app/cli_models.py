"""`reeltag models`: the models of the library from the command line."""

from typing import Annotated

import typer

from app.cli_library import open_library, print_json, print_table

models = typer.Typer(
    rich_markup_mode=None, name="models", no_args_is_help=True, help="Look at the models."
)


@models.callback()
def _models() -> None:
    """Look at the models."""


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


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
