from typing import Any

import pytest

from app.domain.library import Verdict
from app.domain.segments import SegmentRules
from tests.api_client import JPEG, AppClient, make_film


@pytest.fixture
def film_path(services: Any) -> str:
    film = make_film(filename="sea.mp4", duration_s=20.0, model_version="fake-1")
    services.films.films[film.id] = film
    return f"/v1/films/{film.id}"


def test_tags_of_a_film_come_with_seconds_shots_and_source(client: AppClient, film_path: str):
    body = client.get(f"{film_path}/tags").json()
    assert body["next_cursor"] is None
    assert body["items"][0] == {
        "tag": "Beach/Sea", "slug": "beach-sea", "score": 0.5, "coverage_s": 12.0,
        "shot_count": 3, "first_s": 4.0, "source": "model",
    }  # fmt: skip


def test_options_for_tags_reach_the_service(client: AppClient, services: Any, film_path: str):
    client.get(f"{film_path}/tags?min_score=0.2&limit=4&top_k=5")
    assert services.films.asked[-1][2:] == (0.2, 4, 5)


def test_segments_are_asked_for_by_slug_or_name(client: AppClient, services: Any, film_path: str):
    options = "tag=beach-sea&tag=WAR&min_score=0.1&top_k=2&max_gap_s=3&min_duration_s=1"
    body = client.get(f"{film_path}/segments?{options}").json()
    assert body["items"] == [
        {"tag": "Beach/Sea", "start_s": 4.0, "end_s": 16.0, "score": 0.75, "source": "model"}
    ]
    assert services.films.asked[-1][2:] == (["Beach/Sea", "War"], SegmentRules(2, 0.1, 3.0, 1.0))


def test_segments_of_no_given_tag_are_those_of_all(
    client: AppClient, services: Any, film_path: str
):
    client.get(f"{film_path}/segments")
    assert services.films.asked[-1][2:] == (None, SegmentRules())


def test_frames_come_in_pages_with_their_pictures(client: AppClient, film_path: str):
    first = client.get(f"{film_path}/frames?limit=2&tag=war").json()
    second = client.get(f"{film_path}/frames?limit=2&cursor={first['next_cursor']}").json()
    assert [frame["n"] for frame in first["items"] + second["items"]] == [0, 1, 2]
    assert second["next_cursor"] is None
    assert first["items"][0] == {
        "n": 0, "time_s": 0.5, "shot": {"start_s": 0.0, "end_s": 1.0},
        "tags": [{"tag": "War", "score": 0.25, "source": "model"}],
        "image_url": f"{film_path}/frames/0/image",
    }  # fmt: skip


def test_a_picture_is_sent_once_and_then_recognised_by_its_etag(client: AppClient, film_path: str):
    first = client.get(f"{film_path}/frames/0/image")
    assert (first.content, first.headers["content-type"]) == (JPEG, "image/jpeg")
    etag = first.headers["etag"]
    for known in (etag, f'"other", W/{etag}', "*"):
        again = client.get(f"{film_path}/frames/0/image", headers={"If-None-Match": known})
        assert (again.status_code, again.content) == (304, b"")
    other = client.get(f"{film_path}/frames/0/image", headers={"If-None-Match": '"other"'})
    assert other.status_code == 200


@pytest.mark.parametrize("n", [-1, 1, 10**30])
def test_a_picture_that_is_not_there_is_not_found(client: AppClient, film_path: str, n: int):
    answer = client.get(f"{film_path}/frames/{n}/image")
    assert (answer.status_code, answer.json()["code"]) == (404, "frame_not_found")


def test_a_verdict_is_passed_on_under_the_tags_name(
    client: AppClient, services: Any, film_path: str
):
    answer = client.request("PUT", f"{film_path}/tags/beach-sea", json={"verdict": "accepted"})
    assert answer.json()["items"][0]["source"] == "human"
    assert services.films.asked[-1][2:] == ("Beach/Sea", Verdict.ACCEPTED)


@pytest.mark.parametrize("body", [{}, {"verdict": "maybe"}, {"verdict": "accepted", "x": 1}, []])
def test_a_verdict_of_another_kind_is_refused(client: AppClient, film_path: str, body: Any):
    answer = client.request("PUT", f"{film_path}/tags/war", json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")


def test_an_export_as_json_holds_all_frames_of_all_pages(client: AppClient, film_path: str):
    answer = client.get(f"{film_path}/export")
    body = answer.json()
    assert "attachment" in answer.headers["content-disposition"]
    assert (body["film"], body["duration_s"], body["model_version"]) == ("sea.mp4", 20.0, "fake-1")
    assert [frame["time_s"] for frame in body["frames"]] == [0.5, 1.5, 2.5]
    assert [shot["start_s"] for shot in body["shots"]] == [0.0, 1.0, 2.0]
    assert body["segments"][0]["tag"] == body["tags"][0]["tag"] == "Beach/Sea"


def test_an_export_as_csv_is_a_table_of_segments(client: AppClient, film_path: str):
    answer = client.get(f"{film_path}/export?format=csv")
    assert answer.headers["content-type"].startswith("text/csv")
    assert answer.text.splitlines() == [
        "tag,start_s,end_s,score,source",
        "Beach/Sea,4.000,16.000,0.750000,model",
    ]


def test_frames_can_be_asked_for_strongest_first(client: AppClient, services: Any, film_path: str):
    client.get(f"{film_path}/frames?tag=war&sort=-score")
    assert services.films.asked[-1][-1] == "-score"
    assert client.get(f"{film_path}/frames?tag=war&sort=score").status_code == 422


def test_an_explanation_is_asked_for_by_slug_and_recognised_by_its_etag(
    client: AppClient, services: Any, film_path: str
):
    path = f"{film_path}/frames/0/explanation?tag=beach-sea"
    first = client.get(path)
    assert services.films.asked[-1][2:] == (0, "Beach/Sea")
    assert (first.content, first.headers["content-type"]) == (JPEG, "image/jpeg")
    again = client.get(path, headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize(
    ("end", "status", "code"),
    [
        ("0/explanation?tag=tax+return", 404, "tag_not_found"),
        ("7/explanation?tag=war", 404, "frame_not_found"),
        ("0/explanation", 422, "invalid_request"),
    ],
)
def test_what_cannot_be_explained_has_its_code(
    client: AppClient, film_path: str, end: str, status: int, code: str
):
    answer = client.get(f"{film_path}/frames/{end}")
    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_options_for_a_sheet_reach_the_service(client: AppClient, services: Any, film_path: str):
    answer = client.get(f"{film_path}/contact-sheet?tag=WAR&columns=3&limit=5")
    assert (answer.content, answer.headers["content-type"]) == (JPEG, "image/jpeg")
    assert services.films.asked[-1][2:] == ("War", 3, 5)
    for wrong in ("columns=0", "columns=9", "limit=0", "limit=121"):
        assert client.get(f"{film_path}/contact-sheet?{wrong}").status_code == 422
