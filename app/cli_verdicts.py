"""`reeltag verdicts`: what humans say of tags, from the command line, on the database itself."""

from typing import Annotated

import typer

from app.cli_library import clock, open_library, print_json, print_table

verdicts = typer.Typer(
    rich_markup_mode=None,
    name="verdicts",
    no_args_is_help=True,
    help="Accept, reject, add tags; list verdicts and take them back.",
)

FilmIdArgument = Annotated[str, typer.Argument(metavar="ID", help="The film's id.")]


@verdicts.command("add")
def add_verdict(
    film_id: FilmIdArgument,
    tag: Annotated[str, typer.Argument(help="The tag's name or slug.")],
    verdict: Annotated[str, typer.Argument(help="accepted or rejected.")],
    start_s: Annotated[
        float | None, typer.Option("--from", min=0, help="Start of a stretch, in seconds.")
    ] = None,
    end_s: Annotated[
        float | None, typer.Option("--to", min=0, help="End of the stretch, in seconds.")
    ] = None,
    frame: Annotated[
        int | None, typer.Option(min=0, help="Number of a key frame, in place of a stretch.")
    ] = None,
) -> None:
    """Say the last word on a tag of a film, of a stretch or of a key frame.

    Example: reeltag verdicts add 019392b1c0de7a55b1a4f1c2d3e4f506 war rejected --from 12 --to 20.5
    """
    if verdict not in ("accepted", "rejected"):
        raise typer.BadParameter(f"a verdict is accepted or rejected, not {verdict!r}")
    if (start_s is None) != (end_s is None) or (frame is not None and start_s is not None):
        raise typer.BadParameter("give --from with --to, or --frame, or none of them")
    if start_s is not None and end_s is not None and end_s <= start_s:
        raise typer.BadParameter("--to is behind --from")
    with open_library() as services:
        from app.api.dependencies import tag_name
        from app.domain.library import Verdict
        from app.domain.verdicts import WHOLE_FILM, Target

        target = WHOLE_FILM
        if frame is not None:
            target = services.films.frame_target(film_id, frame)
        elif start_s is not None and end_s is not None:
            target = Target.segment(start_s, end_s)
        kept = services.films.judge(film_id, tag_name(tag), Verdict(verdict), target)
        typer.echo(f"{kept.id}  {kept.tag}  {kept.verdict.value}")


@verdicts.command("list")
def list_verdicts(
    film_id: FilmIdArgument,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
) -> None:
    """List what humans said of a film, the oldest first."""
    with open_library() as services:
        from app.api.search_schemas import StoredVerdictBody
        from app.domain.verdicts import VerdictRecord

        found: list[VerdictRecord] = []
        cursor = None
        while True:
            page = services.films.list_verdicts(film_id, cursor, 200)
            found += page.items
            cursor = page.next_cursor
            if cursor is None:
                break
        numbers = services.films.frame_numbers(film_id, found)
        bodies = [StoredVerdictBody.of(one, numbers.get(one.id)) for one in found]
        if as_json:
            print_json([body.model_dump(mode="json") for body in bodies])
            return
        rows = [
            (one.id, one.tag, one.verdict.value, one.scope.value,
             clock(one.start_s if one.time_s is None else one.time_s), clock(one.end_s))
            for one in bodies
        ]  # fmt: skip
        print_table(("id", "tag", "verdict", "on", "from", "to"), rows, "No verdict.")


@verdicts.command("withdraw")
def withdraw_verdict(
    film_id: FilmIdArgument,
    verdict_id: Annotated[str, typer.Argument(metavar="VERDICT", help="The verdict's id.")],
) -> None:
    """Take a verdict back: what the model says is shown again."""
    with open_library() as services:
        services.films.withdraw(film_id, verdict_id)
        typer.echo(f"taken back {verdict_id}")


@verdicts.command("clear-model-tags")
def clear_model_tags(
    film_id: FilmIdArgument,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Delete what models said of a film; verdicts and the film stay."""
    with open_library() as services:
        film = services.films.get(film_id)
        if not yes:
            typer.confirm(f"Delete all that models said of {film.title!r}?", abort=True)
        services.films.clear_model_tags(film_id)
        typer.echo(f"cleared {film_id}")
