"""Gives a browser its key as a cookie, since its pictures and films cannot send headers.

Scripts cannot read the cookie, and the browser sends it with what our own pages ask only.
"""

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from app.api.access import COOKIE
from app.api.dependencies import GivenServices
from app.api.problems import describe

router = APIRouter(prefix="/v1", tags=["session"])

MONTH_S = 30 * 24 * 3600


class SessionBody(BaseModel):
    """What opens a browser's session."""

    key: str = Field(max_length=200, description="An API key.")


@router.put(
    "/session",
    operation_id="openSession",
    summary="Let this browser in",
    status_code=204,
    response_class=Response,
    responses=describe(401, 503),
)
def open_session(request: Request, services: GivenServices, body: SessionBody) -> Response:
    """Check the key and keep it as a cookie for 30 days; for the pages."""
    services.keys.caller(body.key)
    response = Response(status_code=204)
    response.set_cookie(
        COOKIE,
        body.key,
        max_age=MONTH_S,
        httponly=True,
        samesite="strict",
        secure=_is_encrypted(request),
    )
    return response


def _is_encrypted(request: Request) -> bool:
    """Whether the browser talks TLS, be it to a proxy; by its own word, for its own cookie."""
    return "https" in (request.url.scheme, request.headers.get("origin", "").partition(":")[0])


@router.delete(
    "/session",
    operation_id="closeSession",
    summary="Forget this browser's key",
    status_code=204,
    response_class=Response,
)
def close_session() -> Response:
    """Take the cookie back; the key stays valid."""
    response = Response(status_code=204)
    response.delete_cookie(COOKIE, httponly=True, samesite="strict")
    return response
