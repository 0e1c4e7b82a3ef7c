"""The client against the OpenAPI document of the service: calls, parameters, fields, errors."""

import inspect
import re
from pathlib import Path
from typing import Any

import httpx
import pytest

from app import errors as service_errors
from app.main import create_app
from reeltag import errors, types
from reeltag.client import Client
from tests.api_client import fake_services

NOT_OFFERED: frozenset[str] = frozenset(
    {"getUploadOptions", "createUpload", "getUpload", "appendToUpload", "deleteUpload",
     "openSession", "closeSession"}
)  # fmt: skip
"""Operations of /v1 that are no method of the client, on purpose: steps of `upload_resumable`, and
the cookie of browsers."""

HTTP_ONLY = {"film_id", "range", "if-range", "if-none-match", "idempotency-key"}
"""What is said in other words: by place, or only between machines."""

NAMES = {
    "FilmBody": types.Film, "FilmError": types.FilmError, "FilmTagBody": types.FilmTag,
    "SegmentBody": types.Segment, "FoundSegmentBody": types.FoundSegment, "ShotBody": types.Shot,
    "TagScoreBody": types.TagScore, "FrameBody": types.Frame,
    "SimilarFilmBody": types.SimilarFilm, "TimelineBody": types.TimelineEntry,
    "StoredVerdictBody": types.Verdict, "TagBody": types.Tag, "ModelBody": types.Model,
    "RetagReportBody": types.RetagReport, "UnsureFrameBody": types.UnsureFrame,
}  # fmt: skip


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return create_app(fake_services(tmp_path_factory.mktemp("data"))).openapi()


def operations(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {
        operation["operationId"]: operation
        for path, found in document["paths"].items()
        if path.startswith("/v1/")
        for operation in found.values()
    }


def snake(name: str) -> str:
    return re.sub(r"([A-Z])", lambda found: f"_{found[1].lower()}", name)


def test_every_operation_is_a_method_and_takes_every_parameter(document: dict[str, Any]):
    for name, operation in operations(document).items():
        if name in NOT_OFFERED:
            continue
        method = getattr(Client, snake(name), None)
        assert method is not None, f"{name} is neither a method nor listed as not offered"
        wanted = {one["name"] for one in operation.get("parameters", [])} - HTTP_ONLY
        taken = set(inspect.signature(method).parameters)
        assert wanted - taken == set(), name


def test_every_method_that_is_not_offered_is_an_operation(document: dict[str, Any]):
    assert set(operations(document)) >= NOT_OFFERED


@pytest.mark.parametrize("name", NAMES)
def test_values_have_the_fields_of_the_interface(document: dict[str, Any], name: str):
    schema = document["components"]["schemas"][name]
    assert set(NAMES[name].model_fields) == set(schema["properties"])
    for field, found in schema["properties"].items():
        may_be_null = any(one.get("type") == "null" for one in found.get("anyOf", []))
        annotation = str(NAMES[name].model_fields[field].annotation)
        assert ("None" in annotation) >= may_be_null, f"{name}.{field}"


def test_export_formats_are_those_of_the_interface(document: dict[str, Any]):
    parameters = operations(document)["exportFilm"]["parameters"]
    (found,) = (one["schema"]["enum"] for one in parameters if one["name"] == "format")
    taken = inspect.signature(Client.export_film).parameters["format"].annotation
    assert set(found) == set(taken.__args__)


def all_errors(kind: type[Any]) -> set[type[Any]]:
    below = kind.__subclasses__()
    return set(below).union(*(all_errors(one) for one in below)) if below else set()


def client_of(answer: httpx.Response | Exception) -> Client:
    def handle(request: httpx.Request) -> httpx.Response:
        if isinstance(answer, Exception):
            raise answer
        return answer

    http = httpx.Client(transport=httpx.MockTransport(handle), base_url="http://reeltag")
    return Client(http=http)


@pytest.mark.parametrize("kind", sorted(all_errors(service_errors.ReeltagError), key=str))
def test_every_error_of_the_service_has_a_class_of_its_status(kind: Any):
    problem = {"code": kind.code, "title": kind.title, "status": kind.status, "detail": "why"}
    with pytest.raises(errors.ApiError) as caught:
        client_of(httpx.Response(kind.status, json=problem)).get_film("x")
    found = caught.value
    assert (found.status, found.code, found.detail) == (kind.status, kind.code, "why")
    family = {401: errors.Unauthorized, 403: errors.Forbidden, 404: errors.NotFound,
              409: errors.Conflict, 429: errors.RateLimited, 503: errors.Unavailable,
              507: errors.Unavailable, 500: errors.ServerError}  # fmt: skip
    wanted = family.get(kind.status, (errors.InvalidRequest, errors.UploadRefused))
    assert isinstance(found, wanted)
    twin = getattr(errors, kind.__name__, None)
    if twin is not None and issubclass(twin, errors.ApiError):
        assert isinstance(found, twin)


def test_wrong_parameters_are_named():
    problem = {"code": "invalid_request", "errors": [{"where": "query.limit", "detail": "small"}]}
    with pytest.raises(errors.InvalidRequest) as caught:
        client_of(httpx.Response(422, json=problem)).list_films(limit=0)
    assert caught.value.errors == [{"where": "query.limit", "detail": "small"}]


def test_the_time_to_come_back_is_known():
    answer = httpx.Response(503, json={"code": "unavailable"}, headers={"Retry-After": "5"})
    with pytest.raises(errors.Unavailable) as caught:
        client_of(answer).list_tags()
    assert caught.value.retry_after_s == 5.0


@pytest.mark.parametrize("body", [b"", b"<html>Bad gateway</html>", b"[1]", b"null", b"\xff"])
def test_an_answer_of_a_proxy_is_an_error_of_the_server(body: bytes):
    with pytest.raises(errors.ServerError) as caught:
        client_of(httpx.Response(502, content=body)).get_film("x")
    assert caught.value.status == 502


@pytest.mark.parametrize(
    "error", [httpx.ConnectError("refused"), httpx.ReadTimeout("slow"), httpx.ReadError("cut")]
)
def test_no_answer_is_a_failed_connection(error: Exception):
    with pytest.raises(errors.ConnectionFailed):
        client_of(error).list_models()


def test_words_in_a_path_cannot_lead_elsewhere():
    asked: list[str] = []

    def handle(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.raw_path.decode())
        return httpx.Response(204)

    http = httpx.Client(transport=httpx.MockTransport(handle), base_url="http://reeltag")
    Client(http=http).delete_film("../models/x?y#z")
    assert asked == ["/v1/films/..%2Fmodels%2Fx%3Fy%23z"]


def test_none_is_not_sent_and_lists_are_repeated():
    asked: list[str] = []

    def handle(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.query.decode())
        return httpx.Response(200, json={"items": [], "next_cursor": None})

    http = httpx.Client(transport=httpx.MockTransport(handle), base_url="http://reeltag")
    Client(http=http).list_films(tag=["war", "Beach/Sea"], min_score=0.5, q="a b&c")
    assert asked == ["tag=war&tag=Beach%2FSea&min_score=0.5&q=a+b%26c"]


@pytest.mark.parametrize(
    ("variable", "given", "sent"),
    [("env", None, "Bearer env"), ("env", "said", "Bearer said"), ("env", "", None),
     ("", None, None)],
)  # fmt: skip
def test_the_key_is_said_or_taken_from_the_environment(
    monkeypatch: pytest.MonkeyPatch, variable: str, given: str | None, sent: str | None
):
    monkeypatch.setenv("REELTAG_API_KEY", variable)
    with Client(api_key=given) as client:
        assert client._http.headers.get("authorization") == sent


def test_a_word_for_an_upload_is_sent_with_it(tmp_path: Path):
    asked: list[str | None] = []

    def handle(request: httpx.Request) -> httpx.Response:
        asked.append(request.headers.get("idempotency-key"))
        return httpx.Response(403, json={"code": "quota_exceeded"})

    film = tmp_path / "a.mp4"
    film.write_bytes(b"film")
    http = httpx.Client(transport=httpx.MockTransport(handle), base_url="http://reeltag")
    with pytest.raises(errors.QuotaExceeded):
        Client(http=http).add_film(film, idempotency_key="once")
    assert asked == ["once"]


def test_the_package_stands_alone():
    folder = Path(errors.__file__).parent
    imported = {
        word
        for path in folder.glob("*.py")
        for word in re.findall(r"^(?:from|import) (\w+)", path.read_text(encoding="utf-8"), re.M)
    }
    assert imported & {"app", "models", "training", "numpy", "fastapi", "sqlalchemy"} == set()
    assert imported >= {"httpx", "pydantic"}
