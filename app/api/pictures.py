"""Pictures of a film over HTTP: key frames, why one has a tag, a sheet of many.

Knows paths, parameters and ETags; drawing is the services' business.
"""

import hashlib
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Response

from app.api.dependencies import FilmId, GivenServices, tag_name
from app.api.problems import describe
from app.services.pictures import (
    DEFAULT_COLUMNS,
    DEFAULT_SHEET_FRAMES,
    MAX_COLUMNS,
    MAX_SHEET_FRAMES,
)

router = APIRouter(prefix="/v1", tags=["findings"])

CACHING = "private, no-cache"
"""A retag can put another picture at the same place: kept, but asked for again by its ETag."""

JPEG_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {"content": {"image/jpeg": {"schema": {"type": "string", "format": "binary"}}}},
    304: {"description": "The caller has this picture already."},
}

KnownTag = Annotated[str | None, Header()]


@router.get(
    "/films/{film_id}/frames/{n}/image",
    operation_id="getFrameImage",
    summary="Picture of a key frame",
    response_class=Response,
    responses={**JPEG_ANSWERS, **describe(404, 503)},
)
def get_frame_image(
    services: GivenServices, film_id: FilmId, n: int, if_none_match: KnownTag = None
) -> Response:
    """Return the key frame as JPEG, with an ETag."""
    return jpeg_answer(services.films.frame_image(film_id, n), if_none_match)


@router.get(
    "/films/{film_id}/frames/{n}/explanation",
    operation_id="explainFrame",
    summary="Why a key frame has a tag",
    response_class=Response,
    responses={**JPEG_ANSWERS, **describe(404, 409, 503)},
)
def explain_frame(
    services: GivenServices,
    film_id: FilmId,
    n: int,
    tag: Annotated[str, Query(description="A tag's name or slug.", examples=["war"])],
    if_none_match: KnownTag = None,
) -> Response:
    """Return the key frame as JPEG, coloured where it speaks for the tag, warmest where most.

    The model that gave the film its tags explains them (Grad-CAM); it takes a second to load when
    it is first asked. `tag_not_trained`: it does not know the tag. `model_unavailable`: it is gone
    or damaged; a retag takes the active one.
    """
    content = services.pictures.explanation(film_id, n, tag_name(tag))
    return jpeg_answer(content, if_none_match)


@router.get(
    "/films/{film_id}/contact-sheet",
    operation_id="getContactSheet",
    summary="A film on one sheet",
    response_class=Response,
    responses={**JPEG_ANSWERS, **describe(404, 503)},
)
def get_contact_sheet(
    services: GivenServices,
    film_id: FilmId,
    tag: Annotated[
        str | None,
        Query(description="The strongest key frames of this tag, best first; none: all, spread."),
    ] = None,
    columns: Annotated[
        int, Query(ge=1, le=MAX_COLUMNS, description="Pictures in a row.")
    ] = DEFAULT_COLUMNS,
    limit: Annotated[
        int, Query(ge=1, le=MAX_SHEET_FRAMES, description="Most pictures.")
    ] = DEFAULT_SHEET_FRAMES,
    if_none_match: KnownTag = None,
) -> Response:
    """Return key frames on one JPEG, each with its time and first tag."""
    name = tag_name(tag) if tag is not None else None
    content = services.pictures.contact_sheet(film_id, name, columns, limit)
    return jpeg_answer(content, if_none_match)


def jpeg_answer(content: bytes, known: str | None) -> Response:
    """Return a JPEG, or 304 where `known` (the header If-None-Match) names its ETag."""
    etag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    headers = {"ETag": etag, "Cache-Control": CACHING}
    words = {word.strip().removeprefix("W/") for word in (known or "").split(",")}
    if etag in words or "*" in words:
        return Response(status_code=304, headers=headers)
    return Response(content, media_type="image/jpeg", headers=headers)
