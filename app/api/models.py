"""The models of the library over HTTP: listed, activated, films brought up to them."""

from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Path

from app.api.dependencies import GivenServices
from app.api.problems import describe
from app.api.schemas import ModelBody, ModelPageBody, RetagBody, RetagReportBody
from app.services.registry import Services
from models.manifest import Manifest

router = APIRouter(prefix="/v1", tags=["models"])


@router.get("/models", operation_id="listModels", summary="Models", responses=describe(503))
def list_models(services: GivenServices) -> ModelPageBody:
    """Return the models that this library knows, with the one for new analyses among them."""
    return ModelPageBody(items=model_bodies(services), next_cursor=None)


@router.post(
    "/models/{version}/activate",
    operation_id="activateModel",
    summary="Use a model for new analyses",
    responses=describe(404, 409, 503, 507),
)
def activate_model(
    services: GivenServices,
    version: Annotated[str, Path(max_length=200, description="A model of `GET /v1/models`.")],
) -> ModelBody:
    """Make a model the active one; running workers load it within a heartbeat.

    Refused where its files are damaged, its format or vocabulary is not understood, or its network
    is not what its manifest says. A film in work is begun anew. Films that are done keep their
    tags until they are tagged anew: `POST /v1/films/retag`.
    """
    return _model_body(services.publisher.activate(version).manifest, active=True)


@router.post(
    "/films/retag",
    operation_id="retagFilms",
    summary="Tag many films anew",
    status_code=202,
    responses=describe(400, 409, 503),
)
def retag_films(services: GivenServices, wanted: RetagBody) -> RetagReportBody:
    """Queue films that are not in work to be tagged anew with the active model.

    Where its base is that of the stored features, they are scored again and no film is decoded;
    else films are decoded, after those that were uploaded meanwhile. Old tags are shown until
    then, verdicts stay. Asking again queues only what is still stale.
    """
    report = services.retagging.retag(
        stale_only=wanted.stale, model=wanted.model, cursor=wanted.cursor, limit=wanted.limit
    )
    return RetagReportBody(**asdict(report))


def model_bodies(services: Services) -> list[ModelBody]:
    """Build the bodies of all models: those that workers have loaded, and the current one."""
    current = services.current_model()
    known = [record.manifest for record in services.models.list()]
    if current is not None and current.version not in {manifest.version for manifest in known}:
        known.insert(0, current)
    return [
        _model_body(manifest, active=current is not None and manifest.version == current.version)
        for manifest in known
    ]


def _model_body(manifest: Manifest, *, active: bool) -> ModelBody:
    return ModelBody(
        version=manifest.version,
        active=active,
        tags=list(manifest.tags),
        base_id=manifest.base_id,
        width_px=manifest.preprocessing.width_px,
        height_px=manifest.preprocessing.height_px,
        metrics=dict(manifest.metrics),
        licence=manifest.licence,
        created_at=manifest.created_at,
    )
