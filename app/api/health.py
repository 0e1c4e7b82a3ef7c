"""Whether the service lives and can work, and its figures for Prometheus."""

from collections.abc import Callable

from fastapi import APIRouter, Request, Response
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from app.api.access import caller_of
from app.api.dependencies import GivenServices
from app.api.problems import describe, problem_response
from app.api.schemas import HealthBody, ReadyBody
from app.errors import ArtifactError, DatabaseUnavailable, OperationalError, ReeltagError
from app.services.registry import Services

router = APIRouter(tags=["health"])


@router.get("/healthz", operation_id="getHealth", summary="Is the process alive?")
def get_health(request: Request) -> HealthBody:
    """Answer, whatever state the rest is in."""
    return HealthBody(status="ok", version=request.app.version)


@router.get(
    "/readyz",
    operation_id="getReadiness",
    summary="Can it work?",
    response_model=ReadyBody,
    responses=describe(503),
)
def get_readiness(request: Request, services: GivenServices) -> ReadyBody | Response:
    """Ask database, storage, queue and model; 503 names those that are away.

    Needs no key, so that a load balancer can ask; why something is away, only a key is told.
    """
    checks: dict[str, Callable[[], None]] = {
        "database": lambda: _check_database(services),
        "storage": services.storage.check,
        "jobs": services.jobs.check,
        "model": lambda: _check_model(services),
    }
    told = _may_be_told(request, services)
    found = {name: _outcome(check, told) for name, check in checks.items()}
    away = [name for name, outcome in found.items() if outcome != "ok"]
    if not away:
        return ReadyBody(status="ready", checks=found)
    return problem_response(
        request,
        status=503,
        code=OperationalError.code,
        title=OperationalError.title,
        detail=f"not ready: {', '.join(away)}",
        checks=found,
    )


@router.get(
    "/metrics",
    operation_id="getMetrics",
    summary="Figures for Prometheus",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
)
def get_metrics(request: Request) -> Response:
    """Return counters and gauges in Prometheus' text format."""
    content = generate_latest(request.app.state.metrics.registry)
    return Response(content, headers={"Content-Type": CONTENT_TYPE_LATEST})


def _check_database(services: Services) -> None:
    if not services.database.is_current():
        raise DatabaseUnavailable("the tables are not of this version; run `reeltag serve` once")


def _check_model(services: Services) -> None:
    if services.current_model() is None:
        raise ArtifactError(f"no usable model in {services.settings.model_path}")


def _may_be_told(request: Request, services: Services) -> bool:
    """Whether the caller may read why: paths and addresses are not for strangers."""
    try:
        caller_of(request, services)
    except ReeltagError:  # no key, or the database that knows it is away
        return False
    return True


def _outcome(check: Callable[[], None], told: bool) -> str:
    try:
        check()
    except ReeltagError as exc:
        return f"{exc.code}: {exc}" if told else exc.code
    return "ok"
