"""The film itself over HTTP, whole or in parts, so that a player can jump.

Knows `Range` and its neighbours (RFC 9110, sections 13 and 14); where the bytes lie is the
storage's business.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Header, Request, Response
from fastapi.responses import StreamingResponse

from app.api.dependencies import FilmId, GivenServices
from app.api.problems import describe, problem_response
from app.domain.library import Film
from app.errors import FilmNotFound, RangeNotSatisfiable
from app.ports import ObjectStore

router = APIRouter(prefix="/v1", tags=["films"])

PIECE_BYTES = 256 * 1024
"""Read and sent at once: few turns for a fast network, little memory for a slow one."""

MEDIA_TYPES = {
    "mov": "video/mp4", "mp4": "video/mp4", "matroska": "video/x-matroska", "webm": "video/webm",
    "avi": "video/x-msvideo", "mpegts": "video/mp2t", "mpeg": "video/mpeg", "ogg": "video/ogg",
    "flv": "video/x-flv", "asf": "video/x-ms-asf",
}  # fmt: skip
"""Containers by their short names. Source: IANA media types; Matroska: RFC 9559, section 27."""

WEB_CODECS = frozenset({"vp8", "vp9", "av1"})
"""A Matroska file with one of these is a WebM for every player that asks the type first."""

UNKNOWN_TYPE = "application/octet-stream"

SOURCE_POLICY = "default-src 'none'; sandbox"
"""The bytes come from outside: whatever they are, a browser must run nothing of them."""

_RANGE = re.compile(r"bytes\s*=\s*(\d{0,18})\s*-\s*(\d{0,18})\s*", re.ASCII | re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Part:
    """Bytes `[start, end)` of a file."""

    start: int
    end: int

    @property
    def size_bytes(self) -> int:
        """How many they are."""
        return self.end - self.start


@router.get(
    "/films/{film_id}/source",
    operation_id="getFilmSource",
    summary="The film itself",
    response_class=Response,
    responses={
        200: {
            "description": "The whole film.",
            "content": {"video/*": {"schema": {"type": "string", "format": "binary"}}},
        },
        206: {"description": "The part that `Range` asked for."},
        304: {"description": "The caller has the film already."},
        **describe(404, 416, 503),
    },
)
@router.head("/films/{film_id}/source", include_in_schema=False)
def get_film_source(
    request: Request,
    services: GivenServices,
    film_id: FilmId,
    range: Annotated[str | None, Header(description="One range of bytes.")] = None,
    if_range: Annotated[str | None, Header()] = None,
    if_none_match: Annotated[str | None, Header()] = None,
) -> Response:
    """Return the bytes that were uploaded; with `Range`, a part of them."""
    film = services.films.get(film_id)
    size_bytes = services.storage.size(film.source_key)
    if size_bytes is None:
        raise FilmNotFound("the film's file is gone")
    etag = f'"{film.sha256}"'
    headers = {"ETag": etag, "Accept-Ranges": "bytes", "Cache-Control": "private, no-cache"}
    known = {word.strip().removeprefix("W/") for word in (if_none_match or "").split(",")}
    if etag in known or "*" in known:
        return Response(status_code=304, headers=headers)
    headers["Content-Security-Policy"] = SOURCE_POLICY
    headers["Content-Disposition"] = f"inline; filename*=UTF-8''{quote(film.filename, safe='')}"
    if if_range is not None and if_range.strip() != etag:
        range = None  # the caller's part is of another file
    try:
        part = wanted_part(range, size_bytes)
    except RangeNotSatisfiable as exc:
        return _answer_not_satisfiable(request, exc, size_bytes)
    status = 200
    if part is None:
        part = Part(0, size_bytes)
    else:
        status = 206
        headers["Content-Range"] = f"bytes {part.start}-{part.end - 1}/{size_bytes}"
    headers["Content-Length"] = str(part.size_bytes)
    if request.method == "HEAD":
        return Response(status_code=status, headers=headers, media_type=media_type_of(film))
    content = read_part(services.storage, film.source_key, part)
    return StreamingResponse(content, status, headers, media_type_of(film))


def wanted_part(header: str | None, size_bytes: int) -> Part | None:
    """Return the part of a file that a `Range` header asks for; None means all of it.

    A header that cannot be understood, or asks for several parts at once, is ignored.

    Raises:
        RangeNotSatisfiable: The part lies behind the end.

    Source:
        RFC 9110, sections 14.1.2 and 14.2.
    """
    found = _RANGE.fullmatch((header or "").strip())
    if found is None or not any(found.groups()):
        return None
    first, last = found.groups()
    if first == "":
        length = min(int(last), size_bytes)
        part = Part(size_bytes - length, size_bytes)
    else:
        if last != "" and int(last) < int(first):
            return None
        part = Part(int(first), size_bytes if last == "" else min(int(last) + 1, size_bytes))
    if part.size_bytes <= 0:
        raise RangeNotSatisfiable(f"the film has {size_bytes} bytes")
    return part


def read_part(storage: ObjectStore, key: str, part: Part) -> Iterator[bytes]:
    """Yield the bytes of a part, piece by piece; memory does not grow with the film."""
    with storage.open(key, part.start, part.size_bytes) as stream:
        left = part.size_bytes
        while left:
            piece = stream.read(min(PIECE_BYTES, left))
            if not piece:
                return
            left -= len(piece)
            yield piece


def media_type_of(film: Film) -> str:
    """Return the type to call a film's file; never one that a browser would run."""
    container = film.container or ""
    if container == "matroska" and film.codec in WEB_CODECS:
        container = "webm"
    return MEDIA_TYPES.get(container, UNKNOWN_TYPE)


def _answer_not_satisfiable(
    request: Request, error: RangeNotSatisfiable, size_bytes: int
) -> Response:
    return problem_response(
        request,
        status=error.status,
        code=error.code,
        title=error.title,
        detail=str(error),
        headers={"Content-Range": f"bytes */{size_bytes}"},
    )
