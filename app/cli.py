"""The command `reeltag`.

Knows which commands there are and how they are explained. Each one imports what it needs when it
runs, so that `reeltag --help` answers at once.
"""

from pathlib import Path
from typing import Annotated

import typer

from app.cli_files import export_film, watch_folder
from app.cli_films import films
from app.cli_keys import keys
from app.cli_library import answer_errors
from app.cli_models import models
from app.cli_search import search
from app.cli_verdicts import verdicts

app = typer.Typer(
    name="reeltag",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode=None,  # plain help costs half the time
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Reeltag watches films and tells what they are about: tags, time segments, key frames.",
    epilog="Start with `reeltag serve`, open http://127.0.0.1:8000 and add a film; or, without a "
    "server, `reeltag tag FILM.mp4`. Settings are the variables REELTAG_*, for example "
    "REELTAG_DATA_DIR: see docs/settings.md.",
)
app.add_typer(films)
app.add_typer(keys)
app.add_typer(models)
app.add_typer(search)
app.add_typer(verdicts)
app.command("export")(export_film)
app.command("watch")(watch_folder)

HostOption = Annotated[
    str | None,
    typer.Option(
        help="Address to bind. Default: 127.0.0.1; 0.0.0.0 is every one, and then callers need a "
        "key: see `reeltag keys`."
    ),
]
PortOption = Annotated[
    int | None,
    typer.Option(min=0, max=65535, help="Port to bind; 0 takes a free one. Default: 8000."),
]


def _print_version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        typer.echo(f"reeltag {version('reeltag')}")
        raise typer.Exit


@app.callback()
def _root(
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Tell the version."),
    ] = False,
) -> None:
    pass


@app.command()
def serve(
    host: HostOption = None,
    port: PortOption = None,
    no_worker: Annotated[
        bool, typer.Option("--no-worker", help="Only the REST interface; workers run elsewhere.")
    ] = False,
) -> None:
    """Serve the REST interface and the pages, and analyse films, until stopped.

    Everything is kept in the data folder (REELTAG_DATA_DIR): one SQLite file and the films beside
    it. Stop it with Ctrl-C: films in work go on at the next start.
    """
    with answer_errors():
        from app import supervisor
        from app.config import Settings

        settings = Settings()
        code = supervisor.serve(
            settings,
            settings.host if host is None else host,
            settings.port if port is None else port,
            with_worker=not no_worker,
            on_ready=lambda address: typer.echo(
                f"Reeltag serves at {address} (REST interface: {address}/docs); Ctrl-C stops it."
            ),
        )
        raise typer.Exit(code)


@app.command()
def worker() -> None:
    """Analyse films that wait in the queue, until stopped.

    For installations of several machines: all share REELTAG_DATABASE_URL and REELTAG_STORAGE_URL.
    """
    with answer_errors():
        from app import worker as worker_process
        from app.config import Settings

        raise typer.Exit(worker_process.run(Settings()))


@app.command()
def migrate() -> None:
    """Bring the database to this version; `serve` and `worker` do so themselves.

    For installations that start many processes at once: run it once before them.
    """
    with answer_errors():
        from app import bootstrap
        from app.config import Settings

        bootstrap.prepare_database(bootstrap.build_services(Settings()))
        typer.echo("The database is ready.")


@app.command()
def tag(
    files: Annotated[list[Path], typer.Argument(help="Films to look at.", show_default=False)],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
    sampling: Annotated[
        str | None,
        typer.Option(
            help="Frames to look at: shots, keyframes (fastest) or interval:SECONDS."
            " Default: shots."
        ),
    ] = None,
    top_k: Annotated[
        int, typer.Option(min=1, max=50, help="Tags that each shot may speak for.")
    ] = 3,
    model: Annotated[
        Path | None, typer.Option(help="Folder of a model. Default: the one that is shipped.")
    ] = None,
    precision: Annotated[
        str | None, typer.Option(help="Arithmetic: auto, fp32 or bf16. Default: auto.")
    ] = None,
) -> None:
    """Tell what films are about, without a server; nothing is stored.

    JSON is one object for one FILE, and an array for several. Ends with 1 where a file is not a
    film; the others are told about all the same.
    """
    with answer_errors():
        from app.cli_tag import tag_files

        code = tag_files(
            files,
            as_json=as_json,
            sampling=sampling,
            top_k=top_k,
            model=model,
            precision=precision,
        )
        raise typer.Exit(code)


def main() -> None:
    """Run the command line."""
    app()


if __name__ == "__main__":
    main()
