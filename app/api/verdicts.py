"""What humans say of tags, over HTTP: say it, list it, take it back; forget what models said."""

from typing import Annotated

from fastapi import APIRouter, Path, Response

from app.api.dependencies import PAGE_SIZE, Cursor, FilmId, GivenServices, Limit, tag_name
from app.api.problems import describe
from app.api.schemas import FilmBody
from app.api.search_schemas import NewVerdictBody, StoredVerdictBody, StoredVerdictPageBody
from app.domain.verdicts import WHOLE_FILM, Target

router = APIRouter(prefix="/v1", tags=["verdicts"])


@router.post(
    "/films/{film_id}/verdicts",
    operation_id="addVerdict",
    summary="Accept, reject or add a tag",
    status_code=201,
    responses=describe(400, 404, 503),
)
def add_verdict(
    services: GivenServices, film_id: FilmId, body: NewVerdictBody
) -> StoredVerdictBody:
    """Say what a human thinks of a tag of the film, of a segment or of a key frame.

    Final, and kept through every retag, until it is taken back. The same target again replaces
    what was said before. A tag that the model did not find is added by accepting it.
    """
    tag = tag_name(body.tag)
    target = WHOLE_FILM
    if body.frame is not None:
        target = services.films.frame_target(film_id, body.frame)
    elif body.start_s is not None and body.end_s is not None:
        target = Target.segment(body.start_s, body.end_s)
    record = services.films.judge(film_id, tag, body.verdict, target)
    return StoredVerdictBody.of(record, body.frame)


@router.get(
    "/films/{film_id}/verdicts",
    operation_id="listVerdicts",
    summary="Verdicts on a film",
    responses=describe(404, 503),
)
def list_verdicts(
    services: GivenServices, film_id: FilmId, cursor: Cursor = None, limit: Limit = PAGE_SIZE
) -> StoredVerdictPageBody:
    """Return everything that humans said of the film, the oldest first."""
    page = services.films.list_verdicts(film_id, cursor, limit)
    numbers = services.films.frame_numbers(film_id, list(page.items))
    return StoredVerdictPageBody(
        items=[StoredVerdictBody.of(one, numbers.get(one.id)) for one in page.items],
        next_cursor=page.next_cursor,
    )


@router.delete(
    "/films/{film_id}/verdicts/{verdict_id}",
    operation_id="withdrawVerdict",
    summary="Take a verdict back",
    status_code=204,
    response_class=Response,
    responses=describe(404, 503),
)
def withdraw_verdict(
    services: GivenServices,
    film_id: FilmId,
    verdict_id: Annotated[str, Path(description="The verdict's id.", max_length=200)],
) -> None:
    """Undo a verdict: what the model says is shown again."""
    services.films.withdraw(film_id, verdict_id)


@router.delete(
    "/films/{film_id}/model-tags",
    operation_id="clearModelTags",
    summary="Forget what models said",
    responses=describe(404, 409, 503),
)
def clear_model_tags(services: GivenServices, film_id: FilmId) -> FilmBody:
    """Delete the models' tags, segments and key frames; verdicts and the film itself stay.

    `retag` analyses the film again.
    """
    return FilmBody.of(services.films.clear_model_tags(film_id))
