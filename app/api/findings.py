"""What was found in a film, over HTTP: tags, segments, key frames, verdicts.

Everything is derived from stored scores when asked; nothing here waits for a network. A film that
is not analysed yet answers with empty lists.
"""

from typing import Annotated

from fastapi import APIRouter, Query

from app.api.dependencies import (
    DEFAULT_TOP_K,
    PAGE_SIZE,
    Cursor,
    FilmId,
    GivenServices,
    Limit,
    MinScore,
    TagWord,
    TagWords,
    TopK,
    tag_name,
)
from app.api.problems import describe
from app.api.schemas import (
    FilmTagBody,
    FilmTagPageBody,
    FrameBody,
    FramePageBody,
    SegmentBody,
    SegmentPageBody,
    ShotBody,
    TagScoreBody,
    VerdictBody,
)
from app.domain.aggregation import MAX_FILM_TAGS
from app.domain.library import FrameSort, FrameView, Verdict
from app.domain.segments import DEFAULT_MAX_GAP_S, SegmentRules
from models.vocabulary import TAGS

router = APIRouter(prefix="/v1", tags=["findings"])


@router.get(
    "/films/{film_id}/tags",
    operation_id="listFilmTags",
    summary="Tags of a film",
    responses=describe(404, 503),
)
def list_film_tags(
    services: GivenServices,
    film_id: FilmId,
    min_score: MinScore = 0.0,
    limit: Annotated[int, Query(ge=1, le=len(TAGS), description="Most tags.")] = MAX_FILM_TAGS,
    top_k: Annotated[
        TopK | None, Query(description="Weigh anew with so many first tags of each shot.")
    ] = None,
) -> FilmTagPageBody:
    """Return the film's tags, best first; a human's word counts more than the model's."""
    tags = services.films.tags(film_id, min_score=min_score, limit=limit, top_k=top_k)
    return FilmTagPageBody(items=[FilmTagBody.of(tag) for tag in tags], next_cursor=None)


@router.put(
    "/films/{film_id}/tags/{tag}",
    operation_id="judgeFilmTag",
    summary="Accept or reject a tag",
    responses=describe(404, 503),
)
def judge_film_tag(
    services: GivenServices, film_id: FilmId, tag: TagWord, body: VerdictBody
) -> FilmTagPageBody:
    """Say what a human thinks of a tag: final, and kept through every retag; return the tags."""
    tags = services.films.set_verdict(film_id, tag_name(tag), Verdict(body.verdict))
    return FilmTagPageBody(items=[FilmTagBody.of(tag) for tag in tags], next_cursor=None)


@router.get(
    "/films/{film_id}/segments",
    operation_id="listSegments",
    summary="When tags hold",
    responses=describe(404, 503),
)
def list_segments(
    services: GivenServices,
    film_id: FilmId,
    tag: TagWords = [],  # noqa: B006 - never changed; the web framework reads the default
    min_score: MinScore = 0.0,
    top_k: TopK = DEFAULT_TOP_K,
    max_gap_s: Annotated[
        float, Query(ge=0, le=86_400, description="Segments so near become one.")
    ] = DEFAULT_MAX_GAP_S,
    min_duration_s: Annotated[
        float, Query(ge=0, le=86_400, description="Shorter segments are left out.")
    ] = 0.0,
) -> SegmentPageBody:
    """Return the stretches of the film where each tag holds; no tag given means all."""
    names = list(dict.fromkeys(tag_name(word) for word in tag)) or None
    rules = SegmentRules(top_k, min_score, max_gap_s, min_duration_s)
    segments = services.films.segments(film_id, names, rules)
    return SegmentPageBody(items=[SegmentBody.of(one) for one in segments], next_cursor=None)


@router.get(
    "/films/{film_id}/frames",
    operation_id="listFrames",
    summary="Key frames of a film",
    responses=describe(400, 404, 503),
)
def list_frames(
    services: GivenServices,
    film_id: FilmId,
    tag: Annotated[
        str | None, Query(description="Only frames with this tag among their first `top_k`.")
    ] = None,
    top_k: TopK = DEFAULT_TOP_K,
    sort: Annotated[
        FrameSort,
        Query(description="Order: `time_s`, or `-score`: the strongest frames of `tag` first."),
    ] = "time_s",
    cursor: Cursor = None,
    limit: Limit = PAGE_SIZE,
) -> FramePageBody:
    """Return key frames with their time, shot and first tags."""
    name = tag_name(tag) if tag is not None else None
    page = services.films.frames(
        film_id, tag=name, cursor=cursor, limit=limit, top_k=top_k, sort=sort
    )
    items = [_frame_body(film_id, frame) for frame in page.items]
    return FramePageBody(items=items, next_cursor=page.next_cursor)


def _frame_body(film_id: str, frame: FrameView) -> FrameBody:
    return FrameBody(
        n=frame.n,
        time_s=frame.time_s,
        shot=ShotBody(start_s=frame.shot.start_s, end_s=frame.shot.end_s),
        tags=[TagScoreBody.of(tag) for tag in frame.tags],
        image_url=f"/v1/films/{film_id}/frames/{frame.n}/image",
    )
