"""The models of the library over HTTP."""

from fastapi import APIRouter

from app.api.dependencies import GivenServices
from app.api.problems import describe
from app.api.schemas import ModelBody, ModelPageBody
from app.services.registry import Services
from models.manifest import Manifest

router = APIRouter(prefix="/v1", tags=["models"])


@router.get("/models", operation_id="listModels", summary="Models", responses=describe(503))
def list_models(services: GivenServices) -> ModelPageBody:
    """Return the models that this library knows, with the one for new analyses among them."""
    return ModelPageBody(items=model_bodies(services), next_cursor=None)


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
