"""The REST interface over the real services, a real database and real files."""

import hashlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from app.config import Settings
from app.db import models as model_rows
from app.db.session import Database
from app.domain.films import FilmStatus
from app.domain.library import Film, thumbnail_key
from app.domain.tags import FilmTag
from app.main import create_app
from app.pipeline import summarise
from app.services.films import FilmService
from app.services.idempotency import Idempotency
from app.services.keys import KeyService
from app.services.models import ModelService
from app.services.pictures import Pictures
from app.services.publishing import ModelPublisher
from app.services.registry import Services
from app.services.retagging import Retagging
from app.services.search import SearchService
from app.storage.local import LocalStorage
from models.vocabulary import TAGS
from tests.api_client import JPEG, AppClient
from tests.fakes import make_manifest
from tests.memory import MemoryQueue, finish, no_network, row, scored_shots, store_shots

MP4 = {"Content-Type": "video/mp4"}

ROWS = [row(War=0.9, Robot=0.05), row(War=0.6, Food=0.3), row(Forest=0.8), row(War=0.7)]
"""Four shots of two seconds: War, War, Forest, War."""


@pytest.fixture
def library(database: Database, tmp_path: Path) -> SimpleNamespace:
    settings = Settings(data_dir=tmp_path, model_path=tmp_path / "no-model")
    storage = LocalStorage(tmp_path / "objects")
    jobs = MemoryQueue()
    models = ModelService(database)
    with database.session(write=True) as session:
        model_rows.store_model(session, "/models/fake-1", make_manifest())
    films = FilmService(
        database, storage, jobs, models, data_dir=tmp_path,
        max_upload_bytes=settings.max_upload_bytes,
    )  # fmt: skip
    services = Services(
        films, models, SearchService(database), storage, database, jobs, settings,
        ModelPublisher(models, storage, tmp_path / "models"), Retagging(database, jobs, models),
        Pictures(films, models, no_network), KeyService(database), Idempotency(database),
    )  # fmt: skip
    return SimpleNamespace(client=AppClient(create_app(services)), services=services, jobs=jobs,
                          storage=storage, database=database, folder=tmp_path)  # fmt: skip


def upload(library: Any, content: bytes, title: str = "A film") -> str:
    answer = library.client.post(f"/v1/films?title={title}", content=content, headers=MP4)
    assert answer.status_code == 202
    film_id: str = answer.json()["id"]
    return film_id


def analyse(library: Any, film_id: str) -> Film:
    """Store what a worker finds in a film of four shots."""
    film: Film = library.services.films.get(film_id)
    assert store_shots(library.database, film, scored_shots(ROWS))
    for place in range(len(ROWS)):
        library.storage.put_bytes(thumbnail_key(film.id, film.run, 0, place), JPEG)
    tags = [FilmTag("War", 0.55, 6.0, 3, 0.0), FilmTag("Forest", 0.2, 2.0, 1, 4.0)]
    segments = summarise(scored_shots(ROWS), make_manifest())[1]
    assert finish(library.database, film, tags, segments=segments)
    return film


def test_an_upload_is_stored_byte_for_byte_and_queued(library: Any):
    content = bytes(range(256)) * 5000
    film_id = upload(library, content)
    film = library.client.get(f"/v1/films/{film_id}").json()
    assert (film["status"], film["size_bytes"]) == ("queued", len(content))
    assert film["sha256"] == hashlib.sha256(content).hexdigest()
    assert library.storage.get_bytes(f"films/{film_id}/source") == content
    assert library.jobs.queued == [(film_id, 1)]
    assert not list((library.folder / "incoming").iterdir())


def test_the_same_bytes_again_make_no_second_film(library: Any):
    film_id = upload(library, b"film")
    again = library.client.post("/v1/films", files={"file": ("b.mp4", b"film", "video/mp4")})
    assert (again.status_code, again.json()["id"]) == (200, film_id)
    assert len(library.client.get("/v1/films").json()["items"]) == 1
    assert len(library.jobs.queued) == 1
    assert len(list(library.storage.keys("films/"))) == 1


def test_a_film_that_waits_has_empty_findings(library: Any):
    film_id = upload(library, b"film")
    for what in ("tags", "segments", "frames"):
        answer = library.client.get(f"/v1/films/{film_id}/{what}")
        assert (answer.status_code, answer.json()) == (200, {"items": [], "next_cursor": None})


def test_findings_of_an_analysed_film(library: Any):
    film_id = upload(library, b"film")
    analyse(library, film_id)
    film = library.client.get(f"/v1/films/{film_id}").json()
    assert (film["status"], film["progress"], film["model_version"]) == ("done", 1.0, "fake-1")
    tags = library.client.get(f"/v1/films/{film_id}/tags").json()["items"]
    assert [(tag["tag"], tag["coverage_s"]) for tag in tags] == [("War", 6.0), ("Forest", 2.0)]
    segments = library.client.get(f"/v1/films/{film_id}/segments?tag=war&top_k=1&max_gap_s=0")
    times = [(one["start_s"], one["end_s"]) for one in segments.json()["items"]]
    assert times == [(0.0, 4.0), (6.0, 8.0)]
    bridged = library.client.get(f"/v1/films/{film_id}/segments?tag=war&top_k=1&max_gap_s=2")
    assert [(one["start_s"], one["end_s"]) for one in bridged.json()["items"]] == [(0.0, 8.0)]


def test_key_frames_are_paged_and_have_their_pictures(library: Any):
    film_id = upload(library, b"film")
    analyse(library, film_id)
    path, seen = f"/v1/films/{film_id}/frames?tag=war&top_k=1&limit=2", []
    cursor = ""
    while cursor is not None:
        page = library.client.get(path + (f"&cursor={cursor}" if cursor else "")).json()
        seen += page["items"]
        cursor = page["next_cursor"]
    assert [frame["time_s"] for frame in seen] == [1.0, 3.0, 7.0]
    picture = library.client.get(seen[0]["image_url"])
    assert (picture.status_code, picture.content) == (200, JPEG)


def test_films_are_found_by_tag_and_paged_without_loss(library: Any):
    ids = [upload(library, f"film {n}".encode(), f"Film {n}") for n in range(5)]
    for film_id in ids[:3]:
        analyse(library, film_id)
    found: list[str] = []
    cursor = ""
    while cursor is not None:
        query = f"?tag=War&min_coverage_s=5&limit=2{f'&cursor={cursor}' if cursor else ''}"
        page = library.client.get(f"/v1/films{query}").json()
        found += [film["id"] for film in page["items"]]
        cursor = page["next_cursor"]
    assert sorted(found) == sorted(ids[:3])
    assert library.client.get("/v1/films?tag=war&tag=food").json()["items"] == []
    assert library.client.get("/v1/films?tag=war&min_coverage_s=7").json()["items"] == []
    counts = {
        tag["name"]: tag["film_count"] for tag in library.client.get("/v1/tags").json()["items"]
    }
    assert (counts["War"], counts["Forest"], len(counts)) == (3, 3, len(TAGS))


@pytest.mark.parametrize("cursor", ["nonsense", "W10=", "bnVsbA==", "%00", "é"])
@pytest.mark.parametrize("path", ["/v1/films?", "/v1/films/{id}/frames?"])
def test_a_made_up_cursor_is_refused_politely(library: Any, path: str, cursor: str):
    film_id = upload(library, b"film")
    answer = library.client.get(path.format(id=film_id) + f"cursor={cursor}")
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")


def test_a_human_verdict_is_final(library: Any):
    film_id = upload(library, b"film")
    analyse(library, film_id)
    path = f"/v1/films/{film_id}/tags"
    for tag, verdict in (("robot", "accepted"), ("war", "rejected")):
        answer = library.client.request("PUT", f"{path}/{tag}", json={"verdict": verdict})
        assert answer.status_code == 200
    tags = {tag["tag"]: tag["source"] for tag in library.client.get(path).json()["items"]}
    assert tags["Robot"] == "human"
    assert "War" not in tags
    found = library.client.get("/v1/films?tag=robot").json()["items"]
    assert [film["id"] for film in found] == [film_id]


def test_cancel_retag_and_delete_walk_through_the_states(library: Any):
    film_id = upload(library, b"film")
    assert library.client.post(f"/v1/films/{film_id}/retag").json()["code"] == "film_busy"
    assert library.client.post(f"/v1/films/{film_id}/cancel").json()["status"] == "cancelled"
    events = library.client.get(f"/v1/films/{film_id}/events").text
    assert "event: end" in events
    retag = library.client.post(f"/v1/films/{film_id}/retag?sampling=keyframes")
    assert (retag.status_code, retag.json()["status"]) == (202, "queued")
    assert retag.json()["sampling"] == "keyframes"
    assert library.jobs.queued == [(film_id, 1), (film_id, 2)]
    assert library.client.request("DELETE", f"/v1/films/{film_id}").status_code == 204
    assert library.client.get(f"/v1/films/{film_id}").json()["code"] == "film_not_found"
    assert not list(library.storage.keys("films/"))
    metrics = library.client.get("/metrics").text
    assert f'reeltag_films{{status="{FilmStatus.CANCELLED}"}} 0.0' in metrics


def test_readiness_tells_that_the_model_is_missing(library: Any):
    answer = library.client.get("/readyz")
    assert answer.status_code == 503
    checks = answer.json()["checks"]
    assert {name for name, outcome in checks.items() if outcome != "ok"} == {"model"}


def test_the_model_that_scored_films_is_listed_as_inactive(library: Any):
    items = library.client.get("/v1/models").json()["items"]
    assert [(item["version"], item["active"]) for item in items] == [("fake-1", False)]


@pytest.mark.parametrize(
    "title", ["../../etc/passwd", "a%00b", "‮txt.exe", "-rf", "<script>", "🎬" * 60]
)
def test_any_title_is_taken_and_given_back_as_json(library: Any, title: str):
    film_id = upload(library, title.encode(), title)
    assert library.client.get(f"/v1/films/{film_id}").json()["title"]
    assert library.client.get("/v1/films").status_code == 200
