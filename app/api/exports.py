"""All that was found in a film as one file: JSON for programs, CSV for tables.

The JSON has the shape that `reeltag tag --json` prints.
"""

import csv
import io
import json
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Response

from app.api.dependencies import DEFAULT_TOP_K, MOST_PER_PAGE, FilmId, GivenServices, TopK
from app.api.problems import describe
from app.domain.library import Film, FrameView
from app.domain.segments import SegmentRules
from app.domain.tags import FilmTag, Segment
from app.services.registry import Services

router = APIRouter(prefix="/v1", tags=["findings"])

MEDIA_TYPES = {"json": "application/json", "csv": "text/csv; charset=utf-8"}

CSV_COLUMNS = ("tag", "start_s", "end_s", "score")


@router.get(
    "/films/{film_id}/export",
    operation_id="exportFilm",
    summary="Findings as a file",
    response_class=Response,
    responses={
        200: {
            "description": "`json`: film, shots, tags, segments, key frames. `csv`: the segments.",
            "content": {
                "application/json": {"schema": {"type": "object"}},
                "text/csv": {"schema": {"type": "string"}},
            },
        },
        **describe(404, 503),
    },
)
def export_film(
    services: GivenServices,
    film_id: FilmId,
    format: Annotated[Literal["json", "csv"], Query(description="Kind of file.")] = "json",
    top_k: TopK = DEFAULT_TOP_K,
) -> Response:
    """Return all that was found in a film."""
    film = services.films.get(film_id)
    segments = services.films.segments(film_id, None, SegmentRules(top_k))
    if format == "csv":
        content = segments_csv(segments)
    else:
        tags = services.films.tags(film_id, top_k=top_k)
        frames = _all_frames(services, film_id, top_k)
        content = json.dumps(findings(film, tags, segments, frames), ensure_ascii=False)
    headers = {"Content-Disposition": f'attachment; filename="{film.id}.{format}"'}
    return Response(content, media_type=MEDIA_TYPES[format], headers=headers)


def findings(
    film: Film, tags: list[FilmTag], segments: list[Segment], frames: list[FrameView]
) -> dict[str, Any]:
    """Build the JSON document of all that was found in `film`."""
    shots = dict.fromkeys((frame.shot.start_s, frame.shot.end_s) for frame in frames)
    return {
        "film": film.filename,
        "duration_s": film.duration_s,
        "model_version": film.model_version,
        "sampling": str(film.sampling),
        "shots": [{"start_s": start_s, "end_s": end_s} for start_s, end_s in shots],
        "tags": [
            {
                "tag": tag.tag,
                "score": tag.score,
                "coverage_s": tag.coverage_s,
                "shot_count": tag.shot_count,
                "first_s": tag.first_s,
                "source": tag.source,
            }
            for tag in tags
        ],
        "segments": [
            {"tag": one.tag, "start_s": one.start_s, "end_s": one.end_s, "score": one.score}
            for one in segments
        ],
        "frames": [
            {
                "time_s": frame.time_s,
                "tags": [{"tag": tag.tag, "score": tag.score} for tag in frame.tags],
            }
            for frame in frames
        ],
    }


def segments_csv(segments: list[Segment]) -> str:
    """Build a table of segments, with a head."""
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\r\n")
    writer.writerow(CSV_COLUMNS)
    for one in segments:
        writer.writerow((one.tag, f"{one.start_s:.3f}", f"{one.end_s:.3f}", f"{one.score:.6f}"))
    return table.getvalue()


def _all_frames(services: Services, film_id: str, top_k: int) -> list[FrameView]:
    frames: list[FrameView] = []
    cursor = None
    while True:
        page = services.films.frames(
            film_id, tag=None, cursor=cursor, limit=MOST_PER_PAGE, top_k=top_k
        )
        frames += page.items
        cursor = page.next_cursor
        if cursor is None:
            return frames
