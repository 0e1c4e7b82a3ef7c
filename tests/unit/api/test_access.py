"""Who may do what: every route has its scope, and no header but the key opens one."""

import re
from pathlib import Path
from typing import Any

import pytest
from starlette.requests import Request
from starlette.routing import BaseRoute, Mount

from app.api.access import SCOPES, needs_key
from app.config import Settings
from app.domain.access import ApiKey, Caller, Quota, Scope
from app.errors import Unauthorized
from app.main import create_app
from app.services.keys import is_loopback
from tests.api_client import AppClient, fake_services, make_film

SECRETS = {
    "reeltag_reader": Scope.READ,
    "reeltag_writer": Scope.WRITE,
    "reeltag_admin": Scope.ADMIN,
}


class FakeKeys:
    """Knows three keys, one for each scope."""

    def caller(self, secret: str) -> Caller:
        if secret not in SECRETS:
            raise Unauthorized("not known")
        return Caller(secret, SECRETS[secret], Quota())

    def admit(self, caller: Caller) -> None:
        pass

    def check_room(self, caller: Caller, size_bytes: int) -> None:
        pass

    def list(self) -> list[ApiKey]:
        return []


@pytest.fixture
def services(tmp_path: Any) -> Any:
    services = fake_services(tmp_path, host="0.0.0.0")
    services.keys = FakeKeys()
    return services


@pytest.fixture
def client(services: Any) -> AppClient:
    return AppClient(create_app(services))


def all_routes(routes: Any) -> list[tuple[str, str]]:
    """`(method, path)` of every route, whatever router it lives in."""
    found: list[tuple[str, str]] = []
    for route in routes:
        inner = getattr(route, "effective_candidates", None)
        if inner is not None:
            found += all_routes(inner())
        elif isinstance(route, Mount):
            found.append(("MOUNT", route.path))
        else:
            path, methods = getattr(route, "path", None), getattr(route, "methods", None)
            assert None not in (path, methods), f"{route!r} is of a kind that is not known here"
            found += [(method, path) for method in methods]
    return found


def test_every_route_says_which_scope_it_needs_and_no_other_is_named(services: Any):
    app = create_app(services)
    routes = {f"{method} {path}" for method, path in all_routes(app.routes)}
    assert len(routes) > 40
    assert routes == set(SCOPES)


def test_a_route_without_a_scope_is_found_and_answers_nobody(services: Any):
    app = create_app(services)

    @app.get("/v1/secret")
    def forgotten() -> str:
        return "open to the world"

    routes: list[BaseRoute] = app.routes
    assert ("GET", "/v1/secret") in all_routes(routes)
    headers = {"Authorization": "Bearer reeltag_admin"}
    answer = AppClient(app).get("/v1/secret", headers=headers)
    assert (answer.status_code, "open" in answer.text) == (500, False)


def path_of(name: str) -> tuple[str, str]:
    method, path = name.split(" ")
    words = {"film_id": f"{1:032x}", "n": "0", "tag": "war", "version": "x", "upload_id": "x"}
    for word, value in (*words.items(), ("verdict_id", "x")):
        path = path.replace(f"{{{word}}}", value)
    return method, path


GUARDED = {name: scope for name, scope in SCOPES.items() if scope is not None}


@pytest.mark.parametrize("name", GUARDED)
def test_every_guarded_route_refuses_strangers_and_smaller_keys(client: AppClient, name: str):
    method, path = path_of(name)
    tus = {"Tus-Resumable": "1.0.0"}
    stranger = client.request(method, path, headers=tus)
    assert stranger.status_code == 401
    assert stranger.headers["www-authenticate"].startswith("Bearer")
    if method != "HEAD":
        assert stranger.json()["code"] == "unauthorized"
        assert stranger.headers["content-type"] == "application/problem+json"
    for secret, scope in SECRETS.items():
        if not scope.covers(GUARDED[name]):
            headers = tus | {"Authorization": f"Bearer {secret}"}
            answer = client.request(method, path, headers=headers)
            assert answer.status_code == 403
            assert method == "HEAD" or answer.json()["code"] == "forbidden"


@pytest.mark.parametrize("name", [name for name, scope in SCOPES.items() if scope is None])
def test_open_routes_answer_strangers_and_tell_nothing_of_the_library(
    client: AppClient, services: Any, name: str
):
    film = make_film(title="Nobody may know")
    services.films.films[film.id] = film
    method, path = path_of(name)
    if method == "MOUNT":
        method, path = "GET", {"/static": "/static/style.css"}.get(path, f"{path}/swagger-ui.css")
    answer = client.request(method, path)
    assert answer.status_code not in (401, 403, 500)
    assert film.title not in answer.text


def test_a_key_that_is_large_enough_opens(client: AppClient):
    for secret in SECRETS:
        headers = {"Authorization": f"Bearer {secret}"}
        assert client.get("/v1/films", headers=headers).status_code == 200
    answer = client.post(
        "/v1/films", content=b"film",
        headers={"Authorization": "bearer reeltag_writer", "Content-Type": "video/mp4"},
    )  # fmt: skip
    assert answer.status_code == 202


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Forwarded-For": "127.0.0.1"},
        {"Forwarded": "for=127.0.0.1"},
        {"Host": "127.0.0.1"},
        {"X-Real-IP": "::1"},
        {"Authorization": "Bearer reeltag_unknown"},
        {"Authorization": "Basic cmVlbHRhZ19hZG1pbjo="},
        {"Authorization": "Bearer"},
        {"X-Api-Key": "reeltag_admin"},
        {"Cookie": "reeltag_key=reeltag_unknown"},
        {"Cookie": "reeltag_key=reeltag_admin", "Sec-Fetch-Site": "cross-site"},
        {"Cookie": "reeltag_key=reeltag_admin", "Sec-Fetch-Site": "same-site"},
    ],
    ids=str,
)
def test_no_header_but_a_known_key_makes_a_caller(client: AppClient, headers: dict[str, str]):
    assert client.get("/v1/films", headers=headers).status_code == 401


def test_a_key_in_the_address_is_not_taken(client: AppClient):
    assert client.get("/v1/films?api_key=reeltag_admin").status_code == 401


def test_a_browser_gets_a_cookie_that_no_script_can_read(client: AppClient):
    refused = client.request("PUT", "/v1/session", json={"key": "reeltag_unknown"})
    assert (refused.status_code, "set-cookie" in refused.headers) == (401, False)
    answer = client.request("PUT", "/v1/session", json={"key": "reeltag_reader"})
    assert answer.status_code == 204
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "samesite=strict" in cookie.lower()
    headers = {"Cookie": cookie.partition(";")[0], "Sec-Fetch-Site": "same-origin"}
    assert client.get("/v1/films", headers=headers).status_code == 200
    assert client.post("/v1/films", content=b"film", headers=headers).status_code == 403
    closed = client.request("DELETE", "/v1/session")
    assert 'reeltag_key=""' in closed.headers["set-cookie"]


@pytest.mark.parametrize(
    ("host", "require_key", "status"),
    [
        ("127.0.0.1", "auto", 200), ("localhost", "auto", 200), ("::1", "auto", 200),
        ("127.0.0.2", "auto", 200), ("0.0.0.0", "auto", 401), ("::", "auto", 401),
        ("192.0.2.1", "auto", 401), ("reeltag.example", "auto", 401),
        ("127.0.0.1", "always", 401), ("0.0.0.0", "never", 200),
    ],
)  # fmt: skip
def test_strangers_are_let_in_only_where_no_other_machine_can_be_one(
    tmp_path: Any, host: str, require_key: str, status: int
):
    services = fake_services(tmp_path, host=host, require_key=require_key)
    services.keys = FakeKeys()
    assert AppClient(create_app(services)).get("/v1/films").status_code == status


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "localhost:8000"}, 200), ({"Host": "127.0.0.1:8000"}, 200),
        ({"Host": "[::1]:8000"}, 200), ({"Host": "reeltag.localhost"}, 200),
        ({"Sec-Fetch-Site": "same-origin"}, 200), ({"Sec-Fetch-Site": "none"}, 200),
        ({"Host": "evil.example"}, 401), ({"Host": "localhost.evil.example"}, 401),
        ({"Host": "127.0.0.1.evil.example"}, 401), ({"Host": "[2001:db8::1]"}, 401),
        ({"Sec-Fetch-Site": "cross-site"}, 401), ({"Sec-Fetch-Site": "same-site"}, 401),
    ],
)  # fmt: skip
def test_a_page_of_another_site_is_a_stranger_on_this_machine_too(
    tmp_path: Any, headers: dict[str, str], status: int
):
    client = AppClient(create_app(fake_services(tmp_path)))
    assert client.get("/v1/films", headers=headers).status_code == status
    assert client.get("/", headers=headers).status_code == 200


@pytest.mark.parametrize("headers", [{}, {"Origin": "http://x"}, {"Origin": "https://x"}], ids=str)
def test_the_cookie_stays_on_encrypted_connections(client: AppClient, headers: dict[str, str]):
    answer = client.request("PUT", "/v1/session", json={"key": "reeltag_reader"}, headers=headers)
    is_secure = "https" in headers.get("Origin", "")
    assert ("; Secure" in answer.headers["set-cookie"]) is is_secure


def test_a_key_that_was_sent_counts_though_none_is_needed(tmp_path: Any):
    services = fake_services(tmp_path)
    services.keys = FakeKeys()
    client = AppClient(create_app(services))
    unknown = {"Authorization": "Bearer reeltag_unknown"}
    assert client.get("/v1/films", headers=unknown).status_code == 401
    reader = {"Authorization": "Bearer reeltag_reader"}
    assert client.post("/v1/films", content=b"film", headers=reader).status_code == 403
    stale = {"Cookie": "reeltag_key=reeltag_unknown"}
    assert client.get("/v1/films", headers=stale).status_code == 200


@pytest.mark.parametrize(
    ("server", "is_needed"),
    [(("127.0.0.1", 80), False), (("::1", 80), False), (("192.0.2.1", 80), True),
     (("2001:db8::1", 80), True), (("/run/reeltag.sock", None), False), (None, False)],
)  # fmt: skip
def test_a_socket_that_others_reach_asks_for_a_key_whatever_the_settings_say(
    server: tuple[str, int | None] | None, is_needed: bool
):
    request = Request({"type": "http", "headers": [(b"host", b"127.0.0.1")], "server": server})
    assert needs_key(Settings(), request) is is_needed


@pytest.mark.parametrize(
    ("host", "expected"),
    [("127.8.9.1", True), ("::1", True), ("::ffff:127.0.0.1", True), ("localhost", True),
     ("0.0.0.0", False), ("::", False), ("::ffff:8.8.8.8", False), ("", False),
     ("localhost.example", False), ("10.0.0.1", False)],
)  # fmt: skip
def test_the_addresses_of_this_machine_are_known(host: str, expected: bool):
    assert is_loopback(host) is expected


def test_why_the_service_is_not_ready_is_told_to_keys_only(client: AppClient, services: Any):
    services.storage.is_away = True
    assert client.get("/readyz").json()["checks"]["storage"] == "database_unavailable"
    headers = {"Authorization": "Bearer reeltag_reader"}
    told = client.get("/readyz", headers=headers).json()["checks"]["storage"]
    assert told == "database_unavailable: nobody answers"


def test_the_document_for_programs_tells_scopes_and_refusals(client: AppClient):
    document = client.get("/openapi.json").json()
    assert document["components"]["securitySchemes"]["apiKey"]["scheme"] == "bearer"
    for path, found in document["paths"].items():
        for method, operation in found.items():
            scope = SCOPES[f"{method.upper()} {path}"]
            assert ("security" in operation) == (scope is not None), path
            if scope is not None:
                assert operation["x-scope"] == scope
                assert {"401", "403", "429"} <= set(operation["responses"])


def test_the_page_of_the_interface_lists_what_each_scope_may_do():
    page = (Path(__file__).parents[3] / "docs" / "api.md").read_text(encoding="utf-8")
    for scope in (Scope.WRITE, Scope.ADMIN):
        listed = re.search(rf"^- `{scope}`:(.*?)(?=^- )", page, re.MULTILINE | re.DOTALL)
        assert listed is not None
        told = set(re.findall(r"`([A-Z]+ /[^`]+)`", listed[1]))
        assert told == {name for name, needed in SCOPES.items() if needed is scope}
