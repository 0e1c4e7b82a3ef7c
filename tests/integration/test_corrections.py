"""Verdicts on films, segments and key frames over the REST interface; what they change and keep."""

from typing import Any

import pytest
from sqlalchemy import func, select

from app.db.tables import FrameRow
from app.domain.library import Film, thumbnail_key
from app.pipeline import summarise
from tests.api_client import JPEG
from tests.fakes import make_manifest
from tests.integration.test_api_library import ROWS, analyse, library, upload
from tests.memory import finish, scored_shots, store_shots

__all__ = ["library"]


@pytest.fixture
def film_path(library: Any) -> str:
    film_id = upload(library, b"film")
    analyse(library, film_id)
    return f"/v1/films/{film_id}"


def judge(library: Any, path: str, **body: Any) -> Any:
    answer = library.client.post(f"{path}/verdicts", json=body)
    assert answer.status_code == 201, answer.text
    return answer.json()


def items(library: Any, path: str) -> list[Any]:
    answer = library.client.get(path)
    assert answer.status_code == 200, answer.text
    found: list[Any] = answer.json()["items"]
    return found


def war(library: Any, path: str) -> list[Any]:
    """War's segments in the film, which must be those that the library's search finds."""
    own = [
        (one["start_s"], one["end_s"], one["source"])
        for one in items(library, f"{path}/segments?tag=war")
    ]
    found = items(library, "/v1/segments?tag=war&sort=-created_at")
    assert [(one["start_s"], one["end_s"], one["source"]) for one in found] == own
    return own


def retag(library: Any, path: str) -> None:
    """Another complete run of the same film, in shots of the same length."""
    film_id = path.rpartition("/")[2]
    assert library.client.post(f"{path}/retag").status_code == 202
    film: Film = library.services.films.get(film_id)
    shots = scored_shots(ROWS)
    store_shots(library.database, film, shots)
    for place in range(len(ROWS)):
        library.storage.put_bytes(thumbnail_key(film.id, film.run, 0, place), JPEG)
    tags, segments = summarise(shots, make_manifest())
    assert finish(library.database, film, tags, segments=segments)


def test_a_rejected_stretch_is_cut_out_and_comes_back_when_undone(library: Any, film_path: str):
    assert war(library, film_path) == [(0.0, 8.0, "model")]
    kept = judge(library, film_path, tag="war", verdict="rejected", start_s=2.5, end_s=5.0)
    assert (kept["scope"], kept["start_s"], kept["end_s"]) == ("segment", 2.5, 5.0)
    assert war(library, film_path) == [(0.0, 2.5, "model"), (5.0, 8.0, "model")]
    retag(library, film_path)
    assert war(library, film_path) == [(0.0, 2.5, "model"), (5.0, 8.0, "model")]
    undone = library.client.request("DELETE", f"{film_path}/verdicts/{kept['id']}")
    assert undone.status_code == 204
    assert war(library, film_path) == [(0.0, 8.0, "model")]
    again = library.client.request("DELETE", f"{film_path}/verdicts/{kept['id']}")
    assert (again.status_code, again.json()["code"]) == (404, "verdict_not_found")


def test_an_accepted_stretch_is_a_segment_of_its_own(library: Any, film_path: str):
    judge(library, film_path, tag="war", verdict="accepted", start_s=7.0, end_s=12.0)
    judge(library, film_path, tag="wedding", verdict="accepted", start_s=1.0, end_s=2.0)
    assert war(library, film_path) == [(0.0, 7.0, "model"), (7.0, 12.0, "human")]
    (wedding,) = items(library, "/v1/segments?tag=wedding")
    assert (wedding["start_s"], wedding["score"], wedding["source"]) == (1.0, 1.0, "human")
    assert wedding["film_title"] == "A film"
    assert "Wedding" not in {tag["tag"] for tag in items(library, f"{film_path}/tags")}


def test_a_tag_rejected_for_the_film_is_found_in_no_search(library: Any, film_path: str):
    path = f"{film_path}/tags/war"
    assert library.client.request("PUT", path, json={"verdict": "rejected"}).status_code == 200
    assert war(library, film_path) == []
    (kept,) = items(library, f"{film_path}/verdicts")
    assert (kept["scope"], kept["tag"], kept["verdict"]) == ("film", "War", "rejected")
    library.client.request("DELETE", f"{film_path}/verdicts/{kept['id']}")
    assert war(library, film_path) == [(0.0, 8.0, "model")]
    assert "War" in {tag["tag"] for tag in items(library, f"{film_path}/tags")}


def test_a_verdict_on_a_key_frame_changes_that_frame_and_survives_a_retag(
    library: Any,
    film_path: str,
):
    kept = judge(library, film_path, tag="food", verdict="accepted", frame=1)
    assert (kept["scope"], kept["frame"], kept["time_s"]) == ("frame", 1, 3.0)
    judge(library, film_path, tag="war", verdict="rejected", frame=1)
    retag(library, film_path)
    frames = items(library, f"{film_path}/frames")
    assert frames[1]["tags"] == [{"tag": "Food", "score": 1.0, "source": "human"}]
    assert [frame["tags"][0]["tag"] for frame in frames] == ["War", "Food", "Forest", "War"]
    assert [frame["n"] for frame in items(library, f"{film_path}/frames?tag=food")] == [1]
    assert war(library, film_path) == [(0.0, 8.0, "model")]
    assert [one["frame"] for one in items(library, f"{film_path}/verdicts")] == [1, 1]


def test_the_same_target_again_replaces_what_was_said(library: Any, film_path: str):
    for verdict in ("accepted", "rejected"):
        judge(library, film_path, tag="war", verdict=verdict, start_s=0.1, end_s=0.3)
        judge(library, film_path, tag="war", verdict=verdict, frame=0)
        judge(library, film_path, tag="war", verdict=verdict)
    found = items(library, f"{film_path}/verdicts")
    assert sorted((one["scope"], one["verdict"]) for one in found) == [
        ("film", "rejected"), ("frame", "rejected"), ("segment", "rejected"),
    ]  # fmt: skip


def test_verdicts_are_listed_on_pages(library: Any, film_path: str):
    made = {
        judge(library, film_path, tag="war", verdict="accepted", start_s=n, end_s=n + 1)["id"]
        for n in range(5)
    }
    seen, cursor = [], ""
    while cursor is not None:
        page = library.client.get(f"{film_path}/verdicts?limit=2{cursor}").json()
        seen += [one["id"] for one in page["items"]]
        cursor = page["next_cursor"] and f"&cursor={page['next_cursor']}"
    assert (len(seen), set(seen)) == (5, made)
    assert seen == sorted(seen)


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"tag": "war", "verdict": "maybe"}, 422, "invalid_request"),
        ({"tag": "wra", "verdict": "accepted"}, 404, "tag_not_found"),
        ({"tag": "war", "verdict": "accepted", "start_s": 1}, 422, "invalid_request"),
        ({"tag": "war", "verdict": "accepted", "start_s": 2, "end_s": 2}, 422, "invalid_request"),
        ({"tag": "war", "verdict": "accepted", "start_s": 2, "end_s": 3, "frame": 0}, 422,
         "invalid_request"),
        ({"tag": "war", "verdict": "accepted", "frame": 99}, 404, "frame_not_found"),
        ({"tag": "war", "verdict": "accepted", "frame": 2**70}, 404, "frame_not_found"),
        ({"tag": "war", "verdict": "accepted", "place": 0}, 422, "invalid_request"),
    ],
)  # fmt: skip
def test_a_verdict_on_nothing_is_refused(
    library: Any,
    film_path: str,
    body: dict[str, Any],
    status: int,
    code: str,
):
    answer = library.client.post(f"{film_path}/verdicts", json=body)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert items(library, f"{film_path}/verdicts") == []


def test_a_verdict_of_another_film_cannot_be_taken_back_here(library: Any, film_path: str):
    kept = judge(library, film_path, tag="war", verdict="accepted")
    other = upload(library, b"another film")
    answer = library.client.request("DELETE", f"/v1/films/{other}/verdicts/{kept['id']}")
    assert answer.status_code == 404
    assert len(items(library, f"{film_path}/verdicts")) == 1


def test_what_models_said_can_be_forgotten_alone(library: Any, film_path: str):
    film_id = film_path.rpartition("/")[2]
    judge(library, film_path, tag="robot", verdict="accepted")
    judge(library, film_path, tag="war", verdict="accepted", start_s=1, end_s=2)
    assert library.client.get(f"{film_path}/frames/0/image").status_code == 200
    cleared = library.client.request("DELETE", f"{film_path}/model-tags").json()
    assert (cleared["model_version"], cleared["analysed_at"]) == (None, None)
    assert [tag["tag"] for tag in items(library, f"{film_path}/tags")] == ["Robot"]
    assert war(library, film_path) == [(1.0, 2.0, "human")]
    assert items(library, f"{film_path}/frames") == []
    assert len(items(library, f"{film_path}/verdicts")) == 2
    assert [key for key, _ in library.storage.keys("films/")] == [f"films/{film_id}/source"]
    with library.database.session() as session:
        assert session.scalar(select(func.count()).select_from(FrameRow)) == 0
    retag(library, film_path)
    assert {tag["tag"] for tag in items(library, f"{film_path}/tags")} >= {"Robot", "War"}
    assert war(library, film_path)[1] == (1.0, 2.0, "human")


def test_a_film_that_is_being_analysed_keeps_its_tags(library: Any, film_path: str):
    library.client.post(f"{film_path}/retag")
    answer = library.client.request("DELETE", f"{film_path}/model-tags")
    assert (answer.status_code, answer.json()["code"]) == (409, "film_busy")
    assert items(library, f"{film_path}/tags")
