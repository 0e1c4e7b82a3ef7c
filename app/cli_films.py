"""`reeltag films`: the library from the command line, on the database itself.

Takes words and files, prints tables or the REST interface's JSON. No server is needed, and a
running one sees every change.
"""

import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args

import typer

from app.cli_filters import filtered, query_of
from app.cli_library import clock, open_library, print_json, print_table

if TYPE_CHECKING:
    from app.domain.library import Film, FilmQuery
    from app.services.registry import Services

films = typer.Typer(
    rich_markup_mode=None,
    name="films",
    no_args_is_help=True,
    help="List, add, analyse, delete films.",
)

READ_BYTES = 4 * 2**20
LOOK_EVERY_S = 0.5

FilmIdArgument = Annotated[str, typer.Argument(metavar="ID", help="The film's id.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
SamplingOption = Annotated[
    str | None,
    typer.Option(help="Frames to look at: shots, keyframes (fastest) or interval:SECONDS."),
]


@films.command("list")
@filtered
def list_films(
    filters: dict[str, Any],
    sort: Annotated[
        str,
        typer.Option(
            help="-created_at, created_at, title, -title, or -score and -coverage_s of the first"
            " --tag."
        ),
    ] = "-created_at",
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="Most films.")] = 50,
    as_json: JsonOption = False,
) -> None:
    """List films, the newest first; everything that is given must hold.

    Example: reeltag films list --tag car-chase --not-tag horror --min-coverage-s 27
    """
    with open_library() as services:
        query = replace(query_of(filters), sort=_sort(sort))
        found = _find(services, query, limit)
        if as_json:
            print_json([_body(film) for film in found])
            return
        rows = [
            (film.id, film.title, _state(film), clock(film.duration_s), film.model_version or "-")
            for film in found
        ]
        print_table(("id", "title", "status", "length", "model"), rows, "No film.")


@films.command("show")
def show_film(film_id: FilmIdArgument, as_json: JsonOption = False) -> None:
    """Show a film with its tags and when they hold."""
    with open_library() as services:
        from app.domain.segments import SegmentRules

        film = services.films.get(film_id)
        tags = services.films.tags(film_id)
        names = [tag.tag for tag in tags]
        segments = services.films.segments(film_id, names, SegmentRules()) if names else []
        if as_json:
            from app.api.schemas import FilmTagBody, SegmentBody

            more = {
                "tags": [FilmTagBody.of(tag).model_dump() for tag in tags],
                "segments": [SegmentBody.of(one).model_dump() for one in segments],
            }
            print_json(_body(film) | more)
            return
        _print_film(film)
        rows = [
            (tag.tag, f"{tag.score:.3f}", clock(tag.coverage_s), tag.shot_count, tag.source)
            for tag in tags
        ]
        typer.echo()
        print_table(("tag", "score", "covers", "shots", "source"), rows, "No tags yet.")
        times = [(clock(one.start_s), clock(one.end_s), one.tag) for one in segments]
        if times:
            typer.echo()
            print_table(("from", "to", "tag"), times, "")


@films.command("add")
def add_films(
    files: Annotated[list[Path], typer.Argument(help="Films to take.", show_default=False)],
    title: Annotated[str | None, typer.Option(help="Shown name; else the file's.")] = None,
    sampling: SamplingOption = None,
    wait: Annotated[
        bool, typer.Option("--wait", help="Wait until a worker has analysed each of them.")
    ] = False,
) -> None:
    """Take films into the library and queue their analysis."""
    with open_library() as services:
        from app.api.dependencies import checked_sampling

        wanted = checked_sampling(sampling)
        taken = [_add(services, path, title, wanted) for path in files]
        failed = [film for film in taken if wait and not _wait(services, film.id)]
        if failed:
            raise typer.Exit(1)


@films.command("cancel")
def cancel_film(film_id: FilmIdArgument) -> None:
    """Stop a film's analysis; what was shown before stays."""
    with open_library() as services:
        _print_film(services.films.cancel(film_id))


@films.command("retag")
def retag_films(
    film_id: Annotated[
        str | None, typer.Argument(metavar="[ID]", help="One film.", show_default=False)
    ] = None,
    sampling: SamplingOption = None,
    stale: Annotated[
        bool, typer.Option("--stale", help="All films that show another model's tags.")
    ] = False,
    every: Annotated[bool, typer.Option("--all", help="All films that are not in work.")] = False,
    model: Annotated[
        str | None, typer.Option(help="With --stale or --all: only films that show its tags.")
    ] = None,
) -> None:
    """Queue films to be tagged anew with the active model; verdicts stay.

    A model of the same base scores the stored features; else, or with --sampling, films are
    decoded. Asking again for --stale goes on where a run before it was interrupted.
    """
    if (film_id is not None) + stale + every != 1 or (film_id and model):
        raise typer.BadParameter("give the id of a film, --stale or --all")
    if film_id is None and sampling is not None:
        raise typer.BadParameter("--sampling takes the id of a film")
    with open_library() as services:
        from app.api.dependencies import checked_sampling

        if film_id is not None:
            _print_film(services.films.retag(film_id, checked_sampling(sampling)))
            return
        queued = from_features = 0
        cursor = None
        while True:
            report = services.retagging.retag(stale_only=stale, model=model, cursor=cursor)
            queued += report.queued
            from_features += report.from_features
            cursor = report.next_cursor
            if cursor is None:
                break
        typer.echo(
            f"{queued} films queued for {report.model_version}, "
            f"{from_features} of them from stored features"
        )


@films.command("sheet")
def write_sheet(
    film_id: FilmIdArgument,
    output: Annotated[Path, typer.Option("--output", "-o", help="The JPEG file to write.")],
    tag: Annotated[
        str | None, typer.Option(help="The strongest key frames of this tag; none: all, spread.")
    ] = None,
    columns: Annotated[int, typer.Option(min=1, max=8, help="Pictures in a row.")] = 4,
    limit: Annotated[int, typer.Option(min=1, max=120, help="Most pictures.")] = 24,
) -> None:
    """Write a film's key frames, each with its time and first tag, on one picture."""
    with open_library() as services:
        from app.api.dependencies import tag_name
        from app.errors import UserError

        name = None if tag is None else tag_name(tag)
        content = services.pictures.contact_sheet(film_id, name, columns, limit)
        try:
            output.write_bytes(content)
        except OSError as exc:
            raise UserError(f"{output} cannot be written: {exc.strerror}") from exc
        typer.echo(f"wrote {output}")


@films.command("delete")
def delete_film(
    film_id: FilmIdArgument,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Delete a film and all that was found in it."""
    with open_library() as services:
        film = services.films.get(film_id)
        if not yes:
            typer.confirm(f"Delete {film.title!r} and all that was found in it?", abort=True)
        services.films.delete(film_id)
        typer.echo(f"deleted {film_id}")


def _find(services: "Services", query: "FilmQuery", limit: int) -> "list[Film]":
    """Read page after page up to `limit` films."""
    from app.services.search import MAX_LIMIT

    found: list[Film] = []
    cursor = None
    while len(found) < limit:
        page = services.search.films(query, cursor, min(MAX_LIMIT, limit - len(found)))
        found += page.items
        cursor = page.next_cursor
        if cursor is None:
            break
    return found


def _add(services: "Services", path: Path, title: str | None, sampling: str | None) -> "Film":
    from app.errors import EmptyUpload, UserError

    incoming = services.films.incoming()
    try:
        with path.open("rb") as source:
            while content := source.read(READ_BYTES):
                incoming.write(content)
        if incoming.size_bytes == 0:
            raise EmptyUpload(f"{path} is empty")
        film, created = services.films.add(incoming, title, path.name, sampling)
    except OSError as exc:
        raise UserError(f"{path} cannot be read: {exc.strerror}") from exc
    finally:
        incoming.discard()
    typer.echo(f"{film.id}  {film.title}  {'queued' if created else 'is here already'}")
    return film


def _wait(services: "Services", film_id: str) -> bool:
    """Wait for the end of a film's analysis; return whether it was done."""
    from app.domain.films import FilmStatus

    while not (film := services.films.get(film_id)).status.is_final:
        time.sleep(LOOK_EVERY_S)
    _print_film(film)
    return film.status is FilmStatus.DONE


def _sort(text: str) -> Any:  # noqa: ANN401 - Sort, imported when needed
    from app.domain.library import Sort

    if text not in get_args(Sort):
        raise typer.BadParameter(f"a sort is one of {', '.join(get_args(Sort))}, not {text!r}")
    return text


def _body(film: "Film") -> dict[str, Any]:
    from app.api.schemas import FilmBody

    return FilmBody.of(film).model_dump(mode="json")


def _state(film: "Film") -> str:
    return f"running {film.progress:.0%}" if film.status == "running" else film.status.value


def _print_film(film: "Film") -> None:
    typer.echo(f"{film.id}  {film.title}  {_state(film)}  {clock(film.duration_s)}")
    if film.error_code is not None:
        typer.echo(f"  {film.error_code}: {film.error_detail}")
    for warning in film.warnings:
        typer.echo(f"  {warning}")
