"""The web application: REST interface, pages and documentation, put together.

Knows which parts there are; builds the services only where nobody hands them over.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any

from fastapi import Depends, FastAPI

from app.api import (
    access,
    docs,
    events,
    exports,
    films,
    findings,
    health,
    limits,
    models,
    pictures,
    problems,
    review,
    search,
    session,
    sources,
    tags,
    uploads_tus,
    verdicts,
)
from app.api.metrics import EdgeMiddleware, Metrics
from app.config import Settings
from app.services.registry import Services
from app.web import pages

DESCRIPTION = """\
Films go in, tags come out: upload a film, watch its progress, ask what it is about and when.

Errors are `application/problem+json` with a stable `code`. Lists are `{items, next_cursor}`; pass
`next_cursor` back as `cursor` for the next page. Times are seconds from the first frame, scores
are between 0 and 1.
"""

API_PARTS = (
    films,
    uploads_tus,
    sources,
    findings,
    pictures,
    verdicts,
    review,
    exports,
    events,
    search,
    tags,
    models,
    session,
)
"""What lives under `/v1`."""


def create_app(services: Services | None = None) -> FastAPI:
    """Build the application.

    Args:
        services: What it works on; None builds them from the `REELTAG_*` variables.
    """
    if services is None:
        from app.bootstrap import build_services

        services = build_services(Settings())
    app = FastAPI(
        title="Reeltag",
        version=version("reeltag"),
        description=DESCRIPTION,
        license_info={"name": "Apache-2.0"},
        docs_url=None,
        redoc_url=None,
        lifespan=_lifespan,
        dependencies=[Depends(access.allowed)],
    )
    app.state.services = services
    app.state.metrics = Metrics(services.films.counts)
    problems.install(app)
    for part in API_PARTS:
        app.include_router(part.router)
    app.include_router(health.router)
    app.include_router(health.router, prefix="/v1", include_in_schema=False)
    docs.install(app)
    pages.install(app)
    app.add_middleware(limits.LimitsMiddleware, settings=services.settings)
    app.add_middleware(EdgeMiddleware, metrics=app.state.metrics)
    app.openapi = lambda: openapi_document(app)  # type: ignore[method-assign]
    return app


def openapi_document(app: FastAPI) -> dict[str, Any]:
    """Return the OpenAPI document, with the shape of problems among its schemas."""
    if app.openapi_schema is None:
        document = FastAPI.openapi(app)
        problem = problems.Problem.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas = document.setdefault("components", {}).setdefault("schemas", {})
        schemas.update(problem.pop("$defs", {}))
        schemas["Problem"] = problem
        for unused in ("HTTPValidationError", "ValidationError"):
            schemas.pop(unused, None)
        access.describe_access(document)
    return app.openapi_schema or {}


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    yield
    services: Services = app.state.services
    services.database.dispose()
