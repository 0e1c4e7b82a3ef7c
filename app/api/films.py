"""Films over HTTP: take, list, look at, stop, analyse again, delete.

Knows paths, parameters and statuses; what happens is the film service's business.
"""

import hashlib
import json
from dataclasses import replace
from typing import Annotated, Any

from anyio import to_thread
from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.responses import JSONResponse

from app.api.access import GivenCaller
from app.api.dependencies import (
    PAGE_SIZE,
    Cursor,
    FilmId,
    GivenServices,
    Limit,
    SamplingText,
    checked_sampling,
)
from app.api.filters import Filters
from app.api.problems import describe
from app.api.schemas import AcceptedFilm, FilmBody, FilmPageBody
from app.api.sending import claim_to, place_for
from app.api.uploads import receive
from app.domain.access import Caller
from app.domain.library import Sort
from app.services.registry import Services
from app.services.uploads import IncomingFile

router = APIRouter(prefix="/v1", tags=["films"])

BINARY = {"schema": {"type": "string", "format": "binary"}}

UPLOAD_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "The film: its bytes, or a form that has them as `file`.",
        "content": {
            "video/*": BINARY,
            "application/octet-stream": BINARY,
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {
                        "file": {"type": "string", "format": "binary"},
                        "title": {"type": "string"},
                        "filename": {"type": "string"},
                        "sampling": {"type": "string", "examples": ["keyframes"]},
                    },
                }
            },
        },
    }
}
"""The body is read as a stream, so that the web framework cannot describe it by itself."""


IdempotencyWord = Annotated[
    str | None,
    Header(
        min_length=1,
        max_length=255,
        pattern=r"^[!-~]+$",
        description="A word of the caller's for this very upload; sent again, it gets the same "
        "answer.",
    ),
]


def film_path(film_id: str) -> str:
    """Return where a film is found."""
    return f"/v1/films/{film_id}"


@router.post(
    "/films",
    operation_id="addFilm",
    summary="Upload a film",
    status_code=202,
    response_model=AcceptedFilm,
    response_description="Taken; the analysis is queued. `Location` tells where to look.",
    responses={
        200: {"model": FilmBody, "description": "The same bytes are here already: that film."},
        **describe(400, 408, 409, 413, 415, 503, 507),
    },
    openapi_extra=UPLOAD_BODY,
)
async def add_film(
    request: Request,
    services: GivenServices,
    caller: GivenCaller,
    title: Annotated[
        str | None, Query(max_length=1000, description="Shown name; else the file's.")
    ] = None,
    filename: Annotated[
        str | None, Query(max_length=1000, description="Name of the file, for people.")
    ] = None,
    sampling: SamplingText = None,
    idempotency_key: IdempotencyWord = None,
) -> Response:
    """Take a film and queue its analysis.

    The body is the film itself (`video/*` or `application/octet-stream`) or a multipart form with
    the field `file` and, if wished, `title`, `filename` and `sampling` (which win over the query).
    """
    checked_sampling(sampling)
    asked = {"title": title, "filename": filename, "sampling": sampling}
    async with (
        claim_to(services, caller, idempotency_key) as claim,
        place_for(services, caller),
    ):
        if claim is None or claim.answer is None:
            await _check_room(request, services, caller)
        incoming = await to_thread.run_sync(services.films.incoming)
        incoming.key_id = caller.key_id
        try:
            asked |= await receive(request, incoming, services.settings.max_upload_bytes)
            fingerprint = _fingerprint(incoming, asked)
            answer = None if claim is None else claim.earlier(fingerprint)
            if answer is None:
                answer = await to_thread.run_sync(_take, services, incoming, asked)
                if claim is not None:
                    await to_thread.run_sync(claim.settle, fingerprint, answer)
        finally:
            incoming.discard()
    return JSONResponse(answer["body"], answer["status"], {"Location": answer["location"]})


def _take(
    services: Services, incoming: IncomingFile, asked: dict[str, str | None]
) -> dict[str, Any]:
    """Make a film of what arrived; return the answer, as it can be given again."""
    film, created = services.films.add(
        incoming, asked["title"], asked["filename"], checked_sampling(asked["sampling"])
    )
    body = AcceptedFilm(id=film.id, status=film.status) if created else FilmBody.of(film)
    return {
        "status": 202 if created else 200,
        "body": body.model_dump(mode="json"),
        "location": film_path(film.id),
    }


def _fingerprint(incoming: IncomingFile, asked: dict[str, str | None]) -> str:
    """Return what makes two requests the same: the film's bytes and what was said of it."""
    said = json.dumps([incoming.sha256, asked], sort_keys=True)
    return hashlib.sha256(said.encode()).hexdigest()


async def _check_room(request: Request, services: Services, caller: Caller) -> None:
    if caller.key_id is not None:
        announced = request.headers.get("content-length", "")
        size_bytes = int(announced) if announced.isdecimal() else 1
        await to_thread.run_sync(services.keys.check_room, caller, size_bytes)


@router.get(
    "/films",
    operation_id="listFilms",
    summary="Find films",
    responses=describe(404, 503),
)
def list_films(
    services: GivenServices,
    filters: Filters,
    sort: Annotated[
        Sort,
        Query(
            description="Order; `-` is greatest first; `-score` and `-coverage_s` go by the first "
            "`tag` and need one."
        ),
    ] = "-created_at",
    cursor: Cursor = None,
    limit: Limit = PAGE_SIZE,
) -> FilmPageBody:
    """List films; everything that is asked for must hold."""
    page = services.search.films(replace(filters, sort=sort), cursor, limit)
    return FilmPageBody(
        items=[FilmBody.of(film) for film in page.items], next_cursor=page.next_cursor
    )


@router.get(
    "/films/{film_id}",
    operation_id="getFilm",
    summary="Look at a film",
    responses=describe(404, 503),
)
def get_film(services: GivenServices, film_id: FilmId) -> FilmBody:
    """Tell where a film stands."""
    return FilmBody.of(services.films.get(film_id))


@router.post(
    "/films/{film_id}/cancel",
    operation_id="cancelFilm",
    summary="Stop a film's analysis",
    responses=describe(404, 409, 503),
)
def cancel_film(services: GivenServices, film_id: FilmId) -> FilmBody:
    """Stop the analysis within one batch of frames; what was shown before stays."""
    return FilmBody.of(services.films.cancel(film_id))


@router.post(
    "/films/{film_id}/retag",
    operation_id="retagFilm",
    summary="Analyse a film again",
    status_code=202,
    responses=describe(400, 404, 409, 503),
)
def retag_film(
    services: GivenServices,
    film_id: FilmId,
    response: Response,
    sampling: SamplingText = None,
) -> FilmBody:
    """Queue another analysis with the active model; the old tags are shown until it is done."""
    film = services.films.retag(film_id, checked_sampling(sampling))
    response.headers["Location"] = film_path(film.id)
    return FilmBody.of(film)


@router.delete(
    "/films/{film_id}",
    operation_id="deleteFilm",
    summary="Delete a film",
    status_code=204,
    response_class=Response,
    responses=describe(404, 503),
)
def delete_film(services: GivenServices, film_id: FilmId) -> None:
    """Delete the film, its pictures and all that was found in it."""
    services.films.delete(film_id)
