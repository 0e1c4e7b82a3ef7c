"""Errors as `application/problem+json`, one shape for everything that goes wrong (RFC 9457).

Knows how an error looks on the wire; which errors exist is `errors`, and their meaning for callers
stands in `docs/api.md`.
"""

import json
import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from app.errors import (
    BodyTooLarge,
    Forbidden,
    HeadersTooLarge,
    InvalidRequest,
    NotFound,
    RateLimited,
    ReeltagError,
    RequestTooSlow,
    Unauthorized,
    UnsupportedMediaType,
    UploadTooLarge,
)

LOGGER = logging.getLogger("reeltag.api")

MEDIA_TYPE = "application/problem+json"

HTTP_CODES: Mapping[int, str] = {
    400: InvalidRequest.code,
    404: NotFound.code,
    405: "method_not_allowed",
}
"""Codes of errors that the web framework finds before our own code is asked."""

RETRY_AFTER_S = 5
"""When to come back after an error that heals by itself; about the time of a database restart."""


BODY_UNREAD = (
    UploadTooLarge, UnsupportedMediaType, BodyTooLarge, HeadersTooLarge, RequestTooSlow,
    Unauthorized, Forbidden, RateLimited,
)  # fmt: skip
"""Errors that are answered before the body was read to its end."""


class FieldProblem(BaseModel):
    """One parameter that is not as it should be."""

    where: str = Field(description="Place and name, for example `query.limit`.")
    detail: str = Field(description="What is wrong with it.")


class Problem(BaseModel):
    """What every answer with a status of 400 or above carries."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "type": "urn:reeltag:problem:film_not_found",
                "title": "No such film",
                "status": 404,
                "detail": "no film has the id 'abc'",
                "code": "film_not_found",
                "instance": "/v1/films/abc",
            }
        }
    )

    type: str = Field(description="A name for the kind of problem; a URN made of the code.")
    title: str = Field(description="The kind of problem in words; always the same for a code.")
    status: int = Field(description="The HTTP status.")
    detail: str = Field(description="What happened this time.")
    code: str = Field(description="Stable word for programs; listed in docs/api.md.")
    instance: str | None = Field(default=None, description="The path that was called.")
    errors: list[FieldProblem] | None = Field(
        default=None, description="With `invalid_request`: each parameter that is wrong."
    )


def problem_response(
    request: Request,
    *,
    status: int,
    code: str,
    title: str,
    detail: str,
    headers: Mapping[str, str] | None = None,
    **more: Any,  # noqa: ANN401
) -> Response:
    """Build the answer for a problem; `more` are members beyond the standard ones."""
    body = {
        "type": f"urn:reeltag:problem:{code}",
        "title": title,
        "status": status,
        "detail": detail,
        "code": code,
        "instance": request.url.path,
        **more,
    }
    content = json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")
    return Response(content, status, dict(headers or {}), MEDIA_TYPE)


def describe(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return what OpenAPI shall say of a route's errors; 422 is always among them."""
    reference = {"$ref": "#/components/schemas/Problem"}
    return {
        status: {
            "description": HTTPStatus(status).phrase,
            "content": {MEDIA_TYPE: {"schema": reference}},
        }
        for status in sorted({422, *statuses})
    }


def answer_reeltag_error(request: Request, error: ReeltagError) -> Response:
    """Answer an error that knows its own status and code."""
    if error.status >= 500:
        LOGGER.warning("%s %s: %s: %s", request.method, request.url.path, error.code, error)
    wait_s = error.retry_after_s or RETRY_AFTER_S
    headers = {"Retry-After": str(wait_s)} if error.retryable else {}
    if isinstance(error, Unauthorized):
        headers["WWW-Authenticate"] = 'Bearer realm="reeltag"'
    if isinstance(error, BODY_UNREAD) and request.method in {"POST", "PUT", "PATCH"}:
        headers["Connection"] = "close"  # else the server would read the refused body to its end
    detail = str(error) or error.title
    return problem_response(
        request,
        status=error.status,
        code=error.code,
        title=error.title,
        detail=detail,
        headers=headers,
    )


def _answer_invalid(request: Request, error: RequestValidationError) -> Response:
    found = [
        {"where": ".".join(str(part) for part in one["loc"]), "detail": str(one["msg"])}
        for one in error.errors()
    ]
    detail = "; ".join(f"{one['where']}: {one['detail']}" for one in found)
    return problem_response(
        request,
        status=422,
        code=InvalidRequest.code,
        title=InvalidRequest.title,
        detail=detail,
        errors=found,
    )


def _answer_http(request: Request, error: HTTPException) -> Response:
    if isinstance(error.__cause__, ReeltagError):
        # the web framework hides what went wrong while it read a body behind an error of its own
        return answer_reeltag_error(request, error.__cause__)
    code = HTTP_CODES.get(error.status_code, InvalidRequest.code)
    title = HTTPStatus(error.status_code).phrase
    if error.status_code == 404:
        title, detail = NotFound.title, f"nothing lives at {request.url.path}; see /docs"
    elif error.status_code == 405:
        detail = f"{request.method} is not possible at {request.url.path}"
    else:
        detail = str(error.detail)
    return problem_response(
        request,
        status=error.status_code,
        code=code,
        title=title,
        detail=detail,
        headers=error.headers,
    )


def _answer_disconnect(request: Request, error: ClientDisconnect) -> Response:
    # nobody reads this answer; it keeps a broken upload from being logged as a mistake of ours
    LOGGER.info("%s %s: the caller hung up", request.method, request.url.path)
    return answer_reeltag_error(request, InvalidRequest("the body ended too early"))


def _answer_unexpected(request: Request, error: Exception) -> Response:
    # The server logs the exception itself; its text can hold secrets and stays there.
    return problem_response(
        request,
        status=500,
        code=ReeltagError.code,
        title=ReeltagError.title,
        detail="the server's log tells more",
    )


def install(app: FastAPI) -> None:
    """Make every error of `app` a problem document."""
    handlers: dict[Any, Any] = {
        ReeltagError: answer_reeltag_error,
        RequestValidationError: _answer_invalid,
        HTTPException: _answer_http,
        ClientDisconnect: _answer_disconnect,
        Exception: _answer_unexpected,
    }
    for kind, handler in handlers.items():
        app.add_exception_handler(kind, handler)
