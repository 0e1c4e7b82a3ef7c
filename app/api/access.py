"""Who may do what: the scope that each route needs, and the check before every request.

The table is complete: a route that is not in it answers nobody, and a test walks over all routes.
Knows keys only as words in a request; what they mean, `services.keys` knows. No header makes a
caller more than a stranger, but for the key itself: addresses are those of the socket. Headers that
a browser sets can only make a stranger of somebody.
"""

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import Depends, Request

from app.config import Settings
from app.domain.access import ANYBODY, Caller, Scope
from app.errors import Forbidden, Unauthorized
from app.services.keys import is_loopback
from app.services.registry import Services

READ, WRITE, ADMIN = Scope.READ, Scope.WRITE, Scope.ADMIN

OPEN = None
"""Needs no key: tells nothing of the library."""

SCOPES: Mapping[str, Scope | None] = {
    "POST /v1/films": WRITE,
    "GET /v1/films": READ,
    "GET /v1/films/{film_id}": READ,
    "DELETE /v1/films/{film_id}": WRITE,
    "POST /v1/films/{film_id}/cancel": WRITE,
    "POST /v1/films/{film_id}/retag": WRITE,
    "POST /v1/films/retag": ADMIN,
    "GET /v1/films/{film_id}/events": READ,
    "GET /v1/films/{film_id}/tags": READ,
    "PUT /v1/films/{film_id}/tags/{tag}": WRITE,
    "GET /v1/films/{film_id}/segments": READ,
    "GET /v1/films/{film_id}/frames": READ,
    "GET /v1/films/{film_id}/frames/{n}/image": READ,
    "GET /v1/films/{film_id}/frames/{n}/explanation": READ,
    "GET /v1/films/{film_id}/contact-sheet": READ,
    "GET /v1/films/{film_id}/source": READ,
    "HEAD /v1/films/{film_id}/source": READ,
    "GET /v1/films/{film_id}/export": READ,
    "POST /v1/films/{film_id}/verdicts": WRITE,
    "GET /v1/films/{film_id}/verdicts": READ,
    "DELETE /v1/films/{film_id}/verdicts/{verdict_id}": WRITE,
    "DELETE /v1/films/{film_id}/model-tags": WRITE,
    "GET /v1/films/{film_id}/features": READ,
    "GET /v1/films/{film_id}/similar": READ,
    "GET /v1/review": READ,
    "GET /v1/segments": READ,
    "GET /v1/timeline": READ,
    "GET /v1/tags": READ,
    "GET /v1/models": READ,
    "POST /v1/models/{version}/activate": ADMIN,
    "OPTIONS /v1/uploads": OPEN,
    "POST /v1/uploads": WRITE,
    "HEAD /v1/uploads/{upload_id}": WRITE,
    "PATCH /v1/uploads/{upload_id}": WRITE,
    "DELETE /v1/uploads/{upload_id}": WRITE,
    "POST /v1/uploads/{upload_id}": WRITE,
    "PUT /v1/session": OPEN,
    "DELETE /v1/session": OPEN,
    "GET /metrics": READ,
    "GET /v1/metrics": READ,
    "GET /healthz": OPEN,
    "GET /v1/healthz": OPEN,
    "GET /readyz": OPEN,
    "GET /v1/readyz": OPEN,
    # The pages hold no word of the library: what they show, they ask of /v1.
    "GET /": OPEN,
    "GET /films/{film_id}": OPEN,
    "GET /models": OPEN,
    "GET /login": OPEN,
    "GET /docs": OPEN,
    "GET /openapi.json": OPEN,
    "HEAD /openapi.json": OPEN,
    "MOUNT /static": OPEN,
    "MOUNT /docs/assets": OPEN,
}
"""`METHOD path` of every route -> the scope that a caller needs."""

COOKIE = "reeltag_key"
"""Carries the key of a browser, whose pictures and films cannot send `Authorization`."""

OURS = frozenset({"same-origin", "none"})
"""What browsers say in `Sec-Fetch-Site` of requests that our own pages, or people, began."""


def allowed(request: Request) -> Caller:
    """Return who calls, if they may.

    Raises:
        Unauthorized: A key is needed and none, or none that is valid, came along.
        Forbidden: The key's scope is too small.
        RateLimited: The key sent too much.
    """
    services: Services = request.app.state.services
    needed = SCOPES[route_name(request)]
    if needed is OPEN:
        return ANYBODY
    caller = caller_of(request, services)
    if caller.key_id is not None:
        services.keys.admit(caller)
    if not caller.scope.covers(needed):
        raise Forbidden(f"this needs a key with the scope {needed}; the key has {caller.scope}")
    return caller


def caller_of(request: Request, services: Services) -> Caller:
    """Return who calls, by the key that came along.

    Raises:
        Unauthorized: A key is needed and none that is valid came along.
    """
    settings = services.settings
    if settings.require_key == "never":
        return ANYBODY
    secret = bearer(request)
    if needs_key(settings, request):
        secret = secret or cookie(request)
        if secret is None:
            raise Unauthorized("send an API key as `Authorization: Bearer KEY`")
    if secret is None:
        return ANYBODY
    return services.keys.caller(secret)


def needs_key(settings: Settings, request: Request) -> bool:
    """Whether strangers could be calling.

    Asked by default wherever the service is bound to more than this machine's own address. A server
    that was started without `reeltag serve` gives itself away by the address of its socket. And a
    request that names another host, or that another site's page sends, is a stranger's although it
    comes from this machine: so do DNS rebinding and forged requests, and a proxy that passes the
    name on.
    """
    if settings.require_key != "auto":
        return settings.require_key == "always"
    is_ours = is_loopback(settings.host) and _is_local(request)
    return not (is_ours and _names_this_machine(request) and _is_own_page(request))


def bearer(request: Request) -> str | None:
    """Return the key in `Authorization: Bearer KEY` (RFC 6750, section 2.1)."""
    kind, _, secret = request.headers.get("authorization", "").partition(" ")
    return secret.strip() or None if kind.lower() == "bearer" else None


def cookie(request: Request) -> str | None:
    """Return the key that a browser was given by `PUT /v1/session`, unless another site asks."""
    if not _is_own_page(request):
        return None
    return request.cookies.get(COOKIE)


def route_name(request: Request) -> str:
    """Return `METHOD path` of the route that answers, as in `SCOPES`."""
    return f"{request.method} {getattr(request.scope.get('route'), 'path', '?')}"


def describe_access(document: dict[str, Any]) -> None:
    """Write into an OpenAPI document which operation needs a key of which scope."""
    components = document.setdefault("components", {})
    components["securitySchemes"] = {
        "apiKey": {
            "type": "http",
            "scheme": "bearer",
            "description": "An API key of `reeltag keys create`; not needed where the service is "
            "bound to its own machine only.",
        }
    }
    content = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    refusals = {
        "401": "No API key, or none that is valid",
        "403": "The key's scope or quota is too small",
        "429": "Too many requests of this key; see `Retry-After`",
    }
    for path, found in document["paths"].items():
        for method, operation in found.items():
            scope = SCOPES.get(f"{method.upper()} {path}")
            if scope is OPEN:
                continue
            operation["security"] = [{"apiKey": []}]
            operation["x-scope"] = scope.value
            for status, description in refusals.items():
                operation["responses"].setdefault(
                    status, {"description": description, "content": content}
                )


def _is_local(request: Request) -> bool:
    server = request.scope.get("server")
    host = str(server[0]) if server and server[1] is not None else ""
    # a name in place of an address, or none, is no TCP socket: a test, or a file on this machine
    return is_loopback(host) or not (":" in host or host.replace(".", "").isdigit())


def _names_this_machine(request: Request) -> bool:
    host = request.headers.get("host", "localhost").lower()
    name = host.partition("]")[0].lstrip("[") if host.startswith("[") else host.partition(":")[0]
    return is_loopback(name) or name.endswith(".localhost")


def _is_own_page(request: Request) -> bool:
    return request.headers.get("sec-fetch-site", "none") in OURS


GivenCaller = Annotated[Caller, Depends(allowed)]
