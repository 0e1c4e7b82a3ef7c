"""The whole library over HTTP: segments of a tag, films like a film, tags over time."""

from typing import Annotated

from fastapi import APIRouter, Query

from app.api.dependencies import (
    PAGE_SIZE,
    Cursor,
    FilmId,
    GivenServices,
    Limit,
    MinScore,
    tag_name,
)
from app.api.filters import Filters
from app.api.problems import describe
from app.api.schemas import FilmBody
from app.api.search_schemas import (
    FoundSegmentBody,
    FoundSegmentPageBody,
    SimilarFilmBody,
    SimilarFilmPageBody,
    TimelineBody,
    TimelinePageBody,
)
from app.domain.findings import Interval, Likeness, SegmentQuery, SegmentSort

router = APIRouter(prefix="/v1", tags=["search"])


@router.get(
    "/segments",
    operation_id="findSegments",
    summary="Segments of a tag in all films",
    responses=describe(404, 503),
)
def find_segments(
    services: GivenServices,
    tag: Annotated[str, Query(description="The tag's name or slug.", examples=["war"])],
    min_score: Annotated[MinScore | None, Query()] = None,
    min_duration_s: Annotated[
        float | None, Query(ge=0, le=86_400, description="Shorter segments are left out.")
    ] = None,
    sort: Annotated[
        SegmentSort,
        Query(description="Strongest first, or by film (the newest first) and then by start."),
    ] = "-score",
    cursor: Cursor = None,
    limit: Limit = PAGE_SIZE,
) -> FoundSegmentPageBody:
    """Find where in the library a tag holds, by the default rules, after humans had their say.

    Other rules (`top_k`, `max_gap_s`) are answered for one film by its own segments.
    """
    query = SegmentQuery(tag_name(tag), min_score, min_duration_s, sort)
    page = services.search.segments(query, cursor, limit)
    return FoundSegmentPageBody(
        items=[FoundSegmentBody.of(one) for one in page.items], next_cursor=page.next_cursor
    )


@router.get(
    "/films/{film_id}/similar",
    operation_id="listSimilarFilms",
    summary="Films like this one",
    responses=describe(404, 503),
)
def list_similar_films(
    services: GivenServices,
    film_id: FilmId,
    by: Annotated[
        Likeness,
        Query(description="Compare scores of tags, or the mean features of key frames."),
    ] = "tags",
    cursor: Cursor = None,
    limit: Limit = 20,
) -> SimilarFilmPageBody:
    """Return the other films by their cosine similarity, the most similar first.

    By `features` only films whose model has the same base can be compared; a film that is not
    analysed has nothing to compare.
    """
    page = services.search.similar(film_id, by, cursor, limit)
    return SimilarFilmPageBody(
        items=[
            SimilarFilmBody(film=FilmBody.of(one.film), similarity=one.similarity)
            for one in page.items
        ],
        next_cursor=page.next_cursor,
    )


@router.get(
    "/timeline",
    operation_id="getTimeline",
    summary="Tags over time",
    responses=describe(404, 503),
)
def get_timeline(
    services: GivenServices,
    filters: Filters,
    interval: Annotated[Interval, Query(description="How time is cut, UTC.")] = "month",
    cursor: Cursor = None,
    limit: Limit = PAGE_SIZE,
) -> TimelinePageBody:
    """Return how many of the films that fit have each tag, by when they arrived.

    With `tag` or `any_tag` only those tags are counted. By start, then by tag; stretches of time
    without films are left out.
    """
    page = services.search.timeline(filters, interval, cursor, limit)
    return TimelinePageBody(
        items=[TimelineBody.of(one) for one in page.items], next_cursor=page.next_cursor
    )
