from datetime import UTC, datetime
from typing import Any

import pytest

from app.domain.films import FilmStatus, Stage
from app.domain.library import FilmQuery
from app.main import create_app
from tests.api_client import AppClient, fake_services, make_film, pieces

PLAN_FIELDS = {
    "id", "title", "filename", "status", "progress", "stage", "duration_s", "model_version",
    "error", "warnings", "created_at",
}  # fmt: skip

MP4 = {"Content-Type": "video/mp4"}


def upload(client: AppClient, content: bytes = b"film", query: str = "") -> Any:
    return client.post(f"/v1/films{query}", content=content, headers=MP4)


def test_a_raw_upload_is_accepted_and_tells_where_to_look(client: AppClient, services: Any):
    answer = upload(client, b"film", "?title=Sea&filename=sea.mp4&sampling=interval:2.0")
    film_id = answer.json()["id"]
    assert (answer.status_code, answer.json()) == (202, {"id": film_id, "status": "queued"})
    assert answer.headers["location"] == f"/v1/films/{film_id}"
    assert services.films.asked == [("add", "Sea", "sea.mp4", "interval:2", b"film")]


def test_a_form_upload_is_accepted_and_its_fields_win(client: AppClient, services: Any):
    answer = client.post(
        "/v1/films?title=Query&sampling=shots",
        files={"file": ("sea.mp4", b"film", "video/mp4")},
        data={"title": "Form"},
    )
    assert answer.status_code == 202
    assert services.films.asked == [("add", "Form", "sea.mp4", "shots", b"film")]


def test_the_same_bytes_again_answer_the_film_that_is_there(client: AppClient):
    first, again = upload(client), upload(client, query="?title=Other")
    assert again.status_code == 200
    assert again.json()["id"] == first.json()["id"]
    assert again.headers["location"] == first.headers["location"]
    assert set(again.json()) >= PLAN_FIELDS


@pytest.mark.parametrize(
    ("content", "headers", "query", "status", "code"),
    [
        (b"", MP4, "", 422, "empty_upload"),
        (b"text", {"Content-Type": "text/plain"}, "", 415, "unsupported_media_type"),
        (b"film", {}, "", 415, "unsupported_media_type"),
        (b"film", MP4, "?sampling=sometimes", 400, "invalid_request"),
        (b"film", MP4, f"?title={'x' * 1001}", 422, "invalid_request"),
    ],
    ids=["empty", "text", "no type", "sampling", "title"],
)
def test_an_upload_that_cannot_be_taken_leaves_no_file(
    client: AppClient, services: Any, content: bytes, headers: dict[str, str], query: str,
    status: int, code: str,
):  # fmt: skip
    answer = client.post(f"/v1/films{query}", content=content, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert not services.films.films
    assert not list(services.films.folder.glob("*.part"))


def test_an_upload_beyond_the_limit_is_refused_announced_or_not(tmp_path: Any):
    services = fake_services(tmp_path, max_upload_bytes=10)
    client = AppClient(create_app(services))
    announced = upload(client, b"x" * 11)
    growing = client.post("/v1/films", content=pieces([b"x" * 6] * 2), headers=MP4)
    assert [answer.status_code for answer in (announced, growing)] == [413, 413]
    assert {answer.json()["code"] for answer in (announced, growing)} == {"upload_too_large"}
    assert upload(client, b"x" * 10).status_code == 202
    assert not list(tmp_path.glob("*.part"))


def test_a_film_has_the_fields_of_the_plan(client: AppClient, services: Any):
    film = make_film(
        status=FilmStatus.FAILED, stage=Stage.FINISHED, error_code="not_a_video",
        error_detail="no container", warnings=("cut off",), duration_s=1.5,
    )  # fmt: skip
    services.films.films[film.id] = film
    body = client.get(f"/v1/films/{film.id}").json()
    assert set(body) >= PLAN_FIELDS
    assert body["error"] == {"code": "not_a_video", "detail": "no container"}
    assert (body["status"], body["warnings"], body["duration_s"]) == ("failed", ["cut off"], 1.5)
    assert body["created_at"] == "2026-11-23T12:00:01Z"


@pytest.mark.parametrize("film_id", ["nonsense", "0" * 32, "%00", "..%2F..", "x" * 150])
@pytest.mark.parametrize("tail", ["", "/events", "/tags", "/segments", "/frames", "/export"])
def test_an_id_that_is_no_film_is_not_found(client: AppClient, film_id: str, tail: str):
    answer = client.get(f"/v1/films/{film_id}{tail}")
    assert answer.status_code == 404
    assert answer.json()["code"] in {"film_not_found", "not_found"}


def test_the_question_for_films_reaches_the_search_whole(client: AppClient, services: Any):
    answer = client.get(
        "/v1/films?tag=beach-sea&tag=War&tag=war&min_score=0.5&min_coverage_s=27&status=done&q=sun"
        "&any_tag=robot&any_tag=food&not_tag=horror&model_version=fake-1"
        "&created_after=2026-11-01&created_before=2026-11-23T12:00:00%2B02:00"
        "&sort=-score&cursor=abc&limit=7"
    )
    query = FilmQuery(
        ("Beach/Sea", "War"), ("Robot", "Food"), ("Horror",), 0.5, 27.0, FilmStatus.DONE, "sun",
        "fake-1", datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 11, 23, 10, tzinfo=UTC),
        "-score",
    )  # fmt: skip
    assert services.films.asked == [("search", query, "abc", 7)]
    assert answer.json() == {"items": [], "next_cursor": "next"}


def test_an_unknown_tag_is_not_found_and_near_ones_are_offered(client: AppClient):
    answer = client.get("/v1/films?tag=robt")
    assert (answer.status_code, answer.json()["code"]) == (404, "tag_not_found")
    assert "Robot" in answer.json()["detail"]


def test_a_film_is_cancelled_retagged_and_deleted(client: AppClient, services: Any):
    film_id = upload(client).json()["id"]
    assert client.post(f"/v1/films/{film_id}/cancel").json()["status"] == "cancelled"
    retag = client.post(f"/v1/films/{film_id}/retag?sampling=keyframes")
    assert (retag.status_code, retag.headers["location"]) == (202, f"/v1/films/{film_id}")
    assert services.films.asked[-1] == ("retag", film_id, "keyframes")
    deleted = client.request("DELETE", f"/v1/films/{film_id}")
    assert (deleted.status_code, deleted.content) == (204, b"")
    assert client.get(f"/v1/films/{film_id}").status_code == 404
