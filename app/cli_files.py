"""`reeltag export` and `reeltag watch`: findings as files, and a folder that is kept tagged.

Works on the library itself; no server is needed, but watched films wait for a worker.
"""

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli_library import open_library

if TYPE_CHECKING:
    from app.services.watch import FolderWatch

FormatsText = Annotated[
    str,
    typer.Option(
        "--format",
        "-f",
        help="json, csv, nfo, vtt, vtt-metadata, chapters (Matroska), edl, otio; several with "
        "commas.",
    ),
]


def export_film(
    film_id: Annotated[str, typer.Argument(metavar="ID", help="The film's id.")],
    formats: FormatsText = "json",
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="File to write, for several formats a folder. An NFO that is there keeps its "
            "content and gets the tags. Default: standard output.",
        ),
    ] = None,
    top_k: Annotated[
        int, typer.Option(min=1, max=50, help="Tags that each shot may speak for.")
    ] = 3,
) -> None:
    """Write what was found in a film as a file for another program.

    Example: reeltag export 019392b1c0de7a55b1a4f1c2d3e4f506 --format nfo -o Film.nfo
    """
    words = _words(formats)
    if len(words) > 1 and (output is None or not output.is_dir()):
        raise typer.BadParameter("several formats need a folder that exists: --output FOLDER")
    with open_library() as services:
        from app.services.exports.formats import FORMATS
        from app.services.exports.gather import gather
        from app.services.watch import sidecar_path, write_sidecar

        findings = gather(services.films, film_id, top_k)
        name = findings.film.filename or f"{film_id}.film"
        for word in words:
            if output is None:
                sys.stdout.buffer.write(FORMATS[word].write(findings).encode("utf-8", "replace"))
                continue
            target = sidecar_path(output / name, word) if output.is_dir() else output
            changed = write_sidecar(target, word, findings)
            typer.echo(f"{target}  {'written' if changed else 'is up to date'}", err=True)


def watch_folder(
    folder: Annotated[Path, typer.Argument(help="Where films arrive.", show_default=False)],
    sidecar: Annotated[
        str | None,
        typer.Option(
            help="Write files beside each film: json, csv, nfo, vtt, vtt-metadata, chapters, edl, "
            "otio; several with commas."
        ),
    ] = None,
    sampling: Annotated[
        str | None,
        typer.Option(help="Frames to look at: shots, keyframes (fastest) or interval:SECONDS."),
    ] = None,
    settle_s: Annotated[
        float, typer.Option(min=0, help="A file that has not changed for so long is complete.")
    ] = 5.0,
    every_s: Annotated[float, typer.Option(min=0.1, help="Seconds between two looks.")] = 2.0,
    once: Annotated[
        bool, typer.Option("--once", help="End when all films that are there are analysed.")
    ] = False,
) -> None:
    """Take films into the library as they arrive in a folder, until stopped.

    The same bytes are never analysed twice. A worker must run: `reeltag serve` or `reeltag worker`.

    Example: reeltag watch ~/Films --sidecar nfo,vtt
    """
    words = _words(sidecar) if sidecar else []
    with open_library() as services:
        from app.api.dependencies import checked_sampling
        from app.services.watch import FolderWatch

        how = checked_sampling(sampling)
        watch = FolderWatch(services.films, folder, words, how, settle_s)
        try:
            while not (_look(watch) and once and watch.is_idle):
                time.sleep(every_s)
        except KeyboardInterrupt:
            typer.echo("stopped", err=True)


def _look(watch: "FolderWatch") -> bool:
    """Look once and tell what happened; False where the library was away."""
    from app.errors import OperationalError

    try:
        for event in watch.look():
            typer.echo(f"{event.what:<8} {event.path}  {event.detail}".rstrip())
    except OperationalError as exc:
        typer.echo(f"reeltag: {exc}; trying again", err=True)
        return False
    return True


def _words(text: str) -> list[str]:
    from app.services.exports.formats import FORMATS

    words = list(dict.fromkeys(word.strip() for word in text.split(",") if word.strip()))
    unknown = [word for word in words if word not in FORMATS]
    if unknown or not words:
        raise typer.BadParameter(f"a format is one of {', '.join(FORMATS)}, not {text!r}")
    return words
