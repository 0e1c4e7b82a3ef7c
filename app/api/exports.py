"""All that was found in a film as one file, in the formats of `app.services.exports`."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Response

from app.api.dependencies import DEFAULT_TOP_K, FilmId, GivenServices, TopK
from app.api.problems import describe
from app.services.exports.formats import FORMATS
from app.services.exports.gather import gather

router = APIRouter(prefix="/v1", tags=["findings"])

Word = Literal["json", "csv", "nfo", "vtt", "vtt-metadata", "chapters", "edl", "otio"]

CONTENT: dict[str, Any] = {
    kind: {"schema": {"type": "object" if kind == "application/json" else "string"}}
    for kind in dict.fromkeys(one.media_type.partition(";")[0] for one in FORMATS.values())
}


@router.get(
    "/films/{film_id}/export",
    operation_id="exportFilm",
    summary="Findings as a file",
    response_class=Response,
    responses={
        200: {
            "description": "`json`: film, shots, tags, segments, key frames. `csv`: segments. "
            "`nfo`: tags for Kodi and Jellyfin. `vtt`: chapters, `vtt-metadata`: segments, as "
            "WebVTT. `chapters`: Matroska chapters as XML. `edl`: segments as CMX 3600. `otio`: "
            "a track for each tag, OpenTimelineIO.",
            "content": CONTENT,
        },
        **describe(404, 503),
    },
)
def export_film(
    services: GivenServices,
    film_id: FilmId,
    format: Annotated[Word, Query(description="Kind of file.")] = "json",
    top_k: TopK = DEFAULT_TOP_K,
) -> Response:
    """Return all that was found in a film, after humans had the last word."""
    chosen = FORMATS[format]
    findings = gather(services.films, film_id, top_k)
    name = f"{findings.film.id}{chosen.suffix}"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    content = chosen.write(findings).encode("utf-8", "replace")
    return Response(content, media_type=chosen.media_type, headers=headers)
