"""What humans are asked next, and what a head learns from, over HTTP.

The review queue names the key frames that a word would teach most; the stored features are what
`reeltag-train` retrains a head on. Neither waits for a network.
"""

from fastapi import APIRouter, Response
from fastapi.responses import StreamingResponse

from app.api.dependencies import PAGE_SIZE, Cursor, FilmId, GivenServices, Limit
from app.api.problems import describe
from app.api.search_schemas import UnsureFrameBody, UnsureFramePageBody
from app.api.sources import Part, read_part

router = APIRouter(prefix="/v1", tags=["verdicts"])

NPY_TYPE = "application/x-npy"
BASE_ID_HEADER = "Reeltag-Base-Id"


@router.get(
    "/review",
    operation_id="listReview",
    summary="Key frames to be reviewed",
    responses=describe(503),
)
def list_review(
    services: GivenServices, cursor: Cursor = None, limit: Limit = PAGE_SIZE
) -> UnsureFramePageBody:
    """Return the key frames of all films that the model is least sure of.

    By the margin between the two best scores, the smallest first. Frames that a human spoke of,
    alone or within a stretch, are left out; a verdict on a whole film counts for none of them.
    """
    page = services.films.review(cursor, limit)
    return UnsureFramePageBody(
        items=[UnsureFrameBody.of(one) for one in page.items], next_cursor=page.next_cursor
    )


@router.get(
    "/films/{film_id}/features",
    operation_id="getFilmFeatures",
    summary="Features of the key frames",
    response_class=Response,
    responses={
        200: {
            "description": "A NumPy array, `(frames, 2048)` float16, in the order of `n`.",
            "content": {NPY_TYPE: {"schema": {"type": "string", "format": "binary"}}},
            "headers": {
                BASE_ID_HEADER: {
                    "description": "The convolutional base that gave them.",
                    "schema": {"type": "string"},
                }
            },
        },
        **describe(404, 503),
    },
)
def get_film_features(services: GivenServices, film_id: FilmId) -> Response:
    """Return what the convolutional base saw in each key frame, as a NumPy file."""
    found = services.films.stored_features(film_id)
    headers = {BASE_ID_HEADER: found.base_id, "Content-Length": str(found.size_bytes)}
    content = read_part(services.storage, found.key, Part(0, found.size_bytes))
    return StreamingResponse(content, 200, headers, NPY_TYPE)
