"""What the commands share: the library they work on, tables, and errors told in one line."""

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from app.services.registry import Services


@contextmanager
def answer_errors() -> Iterator[None]:
    """Turn what Reeltag refuses into one line on standard error and the exit code 1."""
    from pydantic import ValidationError

    from app.errors import ReeltagError

    try:
        yield
    except ReeltagError as exc:
        typer.echo(f"reeltag: {exc or exc.title}", err=True)
        raise typer.Exit(1) from exc
    except ValidationError as exc:
        for error in exc.errors():
            name = "REELTAG_" + "__".join(str(part) for part in error["loc"]).upper()
            typer.echo(f"reeltag: {name}: {error['msg']}", err=True)
        raise typer.Exit(1) from exc


@contextmanager
def open_library() -> Iterator["Services"]:
    """Give the services on the configured database and storage; no server is needed."""
    with answer_errors():
        from app.bootstrap import build_services, prepare_database
        from app.config import Settings

        services = build_services(Settings())
        try:
            prepare_database(services)
            yield services
        finally:
            services.database.dispose()


def print_json(value: object) -> None:
    """Print `value` as JSON for programs."""
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False))


def print_table(columns: Sequence[str], rows: Sequence[Sequence[Any]], empty: str) -> None:
    """Print rows as a table, or the sentence `empty`."""
    if not rows:
        typer.echo(empty)
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold", no_wrap=column == "id")
    for row in rows:
        table.add_row(*(Text(str(value)) for value in row))
    # a pipe has no width: programs that cut columns must not find lines folded
    console = Console() if sys.stdout.isatty() else Console(width=240)
    console.print(table)


def clock(seconds: float | None) -> str:
    """Return seconds as ``h:mm:ss``, ``-`` where they are not known."""
    if seconds is None:
        return "-"
    whole = round(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}"
