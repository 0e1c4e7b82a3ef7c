"""`reeltag search`: the whole library by what it shows, and what humans say of it.

Takes words, prints tables or the REST interface's JSON; works on the database itself.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli_filters import filtered, query_of
from app.cli_library import clock, open_library, print_json, print_table

if TYPE_CHECKING:
    from app.domain.library import Page

search = typer.Typer(
    rich_markup_mode=None,
    name="search",
    no_args_is_help=True,
    help="Search segments, similar films, tags over time; count tags.",
)

PAGE_SIZE = 200

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
LimitOption = Annotated[int, typer.Option(min=1, max=10_000, help="Most lines.")]


@search.command("segments")
def find_segments(
    tag: Annotated[str, typer.Argument(help="The tag's name or slug.")],
    min_score: Annotated[float | None, typer.Option(min=0, max=1, help="Least score.")] = None,
    min_duration_s: Annotated[float | None, typer.Option(min=0, help="Least length.")] = None,
    newest: Annotated[
        bool, typer.Option("--newest", help="By film, the newest first, not by score.")
    ] = False,
    limit: LimitOption = 50,
    as_json: JsonOption = False,
) -> None:
    """Find where in the library a tag holds.

    Example: reeltag search segments car-chase --min-duration-s 10
    """
    with open_library() as services:
        from app.api.dependencies import tag_name
        from app.api.search_schemas import FoundSegmentBody
        from app.domain.findings import SegmentQuery, SegmentSort

        sort: SegmentSort = "-created_at" if newest else "-score"
        query = SegmentQuery(tag_name(tag), min_score, min_duration_s, sort)
        found = _walk(lambda at, most: services.search.segments(query, at, most), limit)
        if as_json:
            print_json([FoundSegmentBody.of(one).model_dump(mode="json") for one in found])
            return
        rows = [
            (clock(one.segment.start_s), clock(one.segment.end_s), f"{one.segment.score:.3f}",
             one.film_title, one.film_id)
            for one in found
        ]  # fmt: skip
        print_table(("from", "to", "score", "film", "id"), rows, "No segment.")


@search.command("similar")
def find_similar(
    film_id: Annotated[str, typer.Argument(metavar="ID", help="The film's id.")],
    by: Annotated[str, typer.Option(help="tags, or features: what key frames look like.")] = "tags",
    limit: LimitOption = 20,
    as_json: JsonOption = False,
) -> None:
    """Find the films that are most like one."""
    if by not in ("tags", "features"):
        raise typer.BadParameter(f"films are compared by tags or features, not {by!r}")
    with open_library() as services:
        from app.api.schemas import FilmBody
        from app.api.search_schemas import SimilarFilmBody

        likeness: Any = by
        found = _walk(lambda at, most: services.search.similar(film_id, likeness, at, most), limit)
        if as_json:
            bodies = [
                SimilarFilmBody(film=FilmBody.of(one.film), similarity=one.similarity)
                for one in found
            ]
            print_json([body.model_dump(mode="json") for body in bodies])
            return
        rows = [(f"{one.similarity:.3f}", one.film.title, one.film.id) for one in found]
        print_table(("similarity", "film", "id"), rows, "No film is like it.")


@search.command("tags")
@filtered
def count_tags(filters: dict[str, Any], as_json: JsonOption = False) -> None:
    """Count the films that have each tag, among those that fit the filters."""
    with open_library() as services:
        counts = services.search.tag_counts(query_of(filters))
        if as_json:
            print_json(counts)
            return
        rows = sorted(counts.items(), key=lambda found: (-found[1], found[0]))
        print_table(("tag", "films"), rows, "No tag.")


@search.command("timeline")
@filtered
def show_timeline(
    filters: dict[str, Any],
    interval: Annotated[str, typer.Option(help="day, month or year.")] = "month",
    limit: LimitOption = 500,
    as_json: JsonOption = False,
) -> None:
    """Show how many films have each tag, by when they arrived."""
    if interval not in ("day", "month", "year"):
        raise typer.BadParameter(f"an interval is day, month or year, not {interval!r}")
    with open_library() as services:
        from app.api.search_schemas import TimelineBody

        query = query_of(filters)
        how: Any = interval
        found = _walk(lambda at, most: services.search.timeline(query, how, at, most), limit)
        if as_json:
            print_json([TimelineBody.of(one).model_dump(mode="json") for one in found])
            return
        rows = [(one.start, one.tag, one.film_count, clock(one.coverage_s)) for one in found]
        print_table(("from", "tag", "films", "covers"), rows, "No tag.")


@search.command("review")
def list_review(limit: LimitOption = 50, as_json: JsonOption = False) -> None:
    """List key frames that the model is least sure of and that no human has judged."""
    with open_library() as services:
        from app.api.search_schemas import UnsureFrameBody

        found = _walk(services.films.review, limit)
        if as_json:
            print_json([UnsureFrameBody.of(one).model_dump(mode="json") for one in found])
            return
        rows = [
            (f"{one.margin:.3f}", clock(one.frame.time_s), one.frame.n,
             ", ".join(f"{tag.tag} {tag.score:.2f}" for tag in one.frame.tags),
             one.film_title, one.film_id)
            for one in found
        ]  # fmt: skip
        print_table(("margin", "at", "frame", "tags", "film", "id"), rows, "No key frame.")


def _walk(ask: "Callable[[str | None, int], Page[Any]]", limit: int) -> list[Any]:
    """Read page after page up to `limit` items."""
    found: list[Any] = []
    cursor = None
    while len(found) < limit:
        page = ask(cursor, min(PAGE_SIZE, limit - len(found)))
        found += page.items
        cursor = page.next_cursor
        if cursor is None:
            break
    return found
