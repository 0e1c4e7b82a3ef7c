import re
from pathlib import Path

import pytest
from fastapi import FastAPI

from app import errors
from app.api import problems
from app.main import create_app
from tests.api_client import AppClient

ROOT = Path(__file__).parents[3]


def all_errors(
    root: type[errors.ReeltagError] = errors.ReeltagError,
) -> set[type[errors.ReeltagError]]:
    return {root}.union(*(all_errors(kind) for kind in root.__subclasses__()))


@pytest.fixture
def app() -> FastAPI:
    app = FastAPI()
    problems.install(app)
    return app


def raise_in(app: FastAPI, error: Exception) -> AppClient:
    @app.get("/broken")
    def broken() -> None:
        raise error

    return AppClient(app)


def test_the_page_lists_every_error_code_with_its_status():
    page = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    table = page[page.index("| code | status") :]
    rows = re.findall(r"^\| `(\w+)` \| ([\d, ]+) \|", table, re.MULTILINE)
    documented = {code: {int(status) for status in statuses.split(",")} for code, statuses in rows}
    expected: dict[str, set[int]] = {}
    known = {
        error.code: error.status for error in all_errors() if error.__module__ == errors.__name__
    }
    for code, status in [*known.items(), *((c, s) for s, c in problems.HTTP_CODES.items())]:
        expected.setdefault(code, set()).add(status)
    expected[errors.InvalidRequest.code].add(422)
    assert documented == expected
    assert len(rows) == len(documented)


@pytest.mark.parametrize("kind", sorted(all_errors(), key=lambda kind: kind.__name__))
def test_every_error_becomes_a_problem_document(app: FastAPI, kind: type[errors.ReeltagError]):
    answer = raise_in(app, kind("what happened")).get("/broken")
    assert answer.status_code == kind.status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json() == {
        "type": f"urn:reeltag:problem:{kind.code}",
        "title": kind.title,
        "status": kind.status,
        "detail": "what happened",
        "code": kind.code,
        "instance": "/broken",
    }
    assert ("retry-after" in answer.headers) == kind.retryable


def test_an_unexpected_error_tells_no_secret(app: FastAPI):
    answer = raise_in(app, RuntimeError("password=hunter2")).get("/broken")
    assert answer.status_code == 500
    assert answer.json()["code"] == "internal_error"
    assert "hunter2" not in answer.text


def test_an_unknown_address_is_a_problem(client: AppClient):
    answer = client.get("/v1/movies")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


def test_a_method_that_is_not_there_is_a_problem_with_allow(client: AppClient):
    answer = client.request("PATCH", "/v1/films")
    assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")
    assert answer.headers["allow"]


@pytest.mark.parametrize(
    ("path", "where"),
    [
        ("/v1/films?limit=0", "query.limit"),
        ("/v1/films?limit=all", "query.limit"),
        ("/v1/films?min_score=nan", "query.min_score"),
        ("/v1/films?min_coverage_s=-1", "query.min_coverage_s"),
        ("/v1/films?status=lost", "query.status"),
        ("/v1/films?sort=size", "query.sort"),
        ("/v1/films/x/segments?max_gap_s=inf", "query.max_gap_s"),
        ("/v1/films/x/frames/first/image", "path.n"),
        ("/v1/films/x/export?format=docx", "query.format"),
    ],
)
def test_a_wrong_parameter_is_named(client: AppClient, path: str, where: str):
    answer = client.get(path)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    assert [error["where"] for error in answer.json()["errors"]] == [where]


def test_openapi_describes_every_error_as_a_problem(services):
    document = create_app(services).openapi()
    for path, methods in document["paths"].items():
        for operation in methods.values():
            for status, answer in operation["responses"].items():
                if int(status) >= 400:
                    assert list(answer["content"]) == [problems.MEDIA_TYPE], (path, status)
    assert "HTTPValidationError" not in str(document)
    assert document["components"]["schemas"]["Problem"]["properties"]["code"]
