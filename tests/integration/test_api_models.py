"""Models and tagging anew over HTTP, on real databases, with small real networks."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from app import bootstrap
from app.config import Settings
from app.db.session import Database
from app.main import create_app
from app.services.films import FilmService
from app.services.idempotency import Idempotency
from app.services.keys import KeyService
from app.services.models import ModelService
from app.services.pictures import Pictures
from app.services.publishing import ModelPublisher
from app.services.registry import Services
from app.services.retagging import Retagging
from app.services.search import SearchService
from tests.api_client import AppClient
from tests.artifacts import write_artifact
from tests.fakes import make_manifest
from tests.memory import (
    MemoryQueue,
    MemoryStorage,
    finish,
    no_network,
    row,
    scored_shots,
    store_film,
    store_shots,
)


@pytest.fixture
def library(database: Database, tmp_path: Path) -> SimpleNamespace:
    """Two models, ``made-1`` and ``made-2``, none active."""
    settings = Settings(data_dir=tmp_path, model_path=tmp_path / "no-model")
    storage, jobs = MemoryStorage(), MemoryQueue()
    models = ModelService(database, default_path=settings.model_path)
    films = FilmService(database, storage, jobs, models, data_dir=tmp_path)
    publisher = ModelPublisher(
        models, storage, tmp_path / "models", lambda found: bootstrap.try_out(settings, found)
    )
    for version, ap in (("made-1", 0.5), ("made-2", 0.75)):
        manifest = make_manifest(version=version, metrics={"macro_map": ap})
        publisher.add(write_artifact(tmp_path / version, manifest).path)
    services = Services(
        films, models, SearchService(database), storage, database, jobs, settings, publisher,
        Retagging(database, jobs, models),
        Pictures(films, models, no_network), KeyService(database), Idempotency(database),
    )  # fmt: skip
    return SimpleNamespace(
        client=AppClient(create_app(services)),
        database=database,
        jobs=jobs,
        storage=storage,
        folder=tmp_path,
    )


def done(library: Any, model: str) -> str:
    film = store_film(library.database)
    store_shots(library.database, film, scored_shots([row(War=0.9)]))
    assert finish(library.database, film, model_version=model)
    return film.id


def active(library: Any) -> list[str]:
    items = library.client.get("/v1/models").json()["items"]
    return [item["version"] for item in items if item["active"]]


def test_a_model_is_activated_and_listed_with_its_figures(library: Any):
    assert active(library) == []
    answer = library.client.post("/v1/models/made-2/activate")
    assert answer.status_code == 200
    assert (answer.json()["version"], answer.json()["active"]) == ("made-2", True)
    assert answer.json()["metrics"] == {"macro_map": 0.75}
    assert active(library) == ["made-2"]
    assert library.client.get("/readyz").json()["checks"]["model"] == "ok"


def test_an_unknown_model_is_404_and_a_damaged_one_409(library: Any):
    answer = library.client.post("/v1/models/nobody/activate")
    assert (answer.status_code, answer.json()["code"]) == (404, "model_not_found")
    library.client.post("/v1/models/made-1/activate")
    library.storage.put_bytes("models/made-2/checksums.json", b"{}")
    (library.folder / "models" / "made-2" / "network.xml").write_text("?")
    answer = library.client.post("/v1/models/made-2/activate")
    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
    assert active(library) == ["made-1"]


def test_stale_films_are_queued_once(library: Any):
    library.client.post("/v1/models/made-2/activate")
    stale, fresh = done(library, "made-1"), done(library, "made-2")
    answer = library.client.post("/v1/films/retag", json={"stale": True})
    assert answer.status_code == 202
    assert answer.json() == {
        "model_version": "made-2", "queued": 1, "from_features": 1, "next_cursor": None,
    }  # fmt: skip
    assert library.jobs.queued == [(stale, 2)]
    assert library.client.get(f"/v1/films/{stale}").json()["status"] == "queued"
    assert library.client.get(f"/v1/films/{fresh}").json()["status"] == "done"
    assert library.client.post("/v1/films/retag", json={"stale": True}).json()["queued"] == 0


def test_all_films_are_queued_page_by_page(library: Any):
    library.client.post("/v1/models/made-2/activate")
    for _ in range(3):
        done(library, "made-2")
    first = library.client.post("/v1/films/retag", json={"stale": False, "limit": 2}).json()
    assert first["queued"] == 2
    cursor = first["next_cursor"]
    wanted = {"stale": False, "limit": 2, "cursor": cursor}
    second = library.client.post("/v1/films/retag", json=wanted).json()
    assert (second["queued"], second["next_cursor"]) == (1, None)


@pytest.mark.parametrize(
    "body", [{}, {"stale": "perhaps"}, {"stale": True, "limit": 0}, {"stale": True, "films": []}]
)
def test_a_wish_of_the_wrong_form_is_refused(library: Any, body: dict[str, Any]):
    library.client.post("/v1/models/made-2/activate")
    answer = library.client.post("/v1/films/retag", json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")


def test_a_cursor_of_another_list_is_refused(library: Any):
    library.client.post("/v1/models/made-2/activate")
    answer = library.client.post("/v1/films/retag", json={"stale": True, "cursor": "nonsense"})
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")


def test_without_a_model_nothing_can_be_tagged_anew(library: Any):
    answer = library.client.post("/v1/films/retag", json={"stale": True})
    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
