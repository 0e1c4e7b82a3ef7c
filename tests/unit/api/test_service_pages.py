import re
from typing import Any

import pytest

from models.vocabulary import TAGS
from tests.api_client import AppClient, make_film


def test_the_vocabulary_is_listed_in_order_with_what_the_model_finds(client: AppClient):
    items = client.get("/v1/tags").json()["items"]
    assert [item["name"] for item in items] == list(TAGS)
    war = next(item for item in items if item["name"] == "War")
    assert war == {"name": "War", "slug": "war", "trained": True, "film_count": 7}
    assert sum(item["trained"] for item in items) == 5


def test_the_current_model_is_listed_though_no_worker_has_loaded_it(client: AppClient):
    items = client.get("/v1/models").json()["items"]
    assert [(item["version"], item["active"]) for item in items] == [("fake-1", True)]
    assert items[0]["width_px"] == 96


@pytest.mark.parametrize("prefix", ["", "/v1"])
def test_health_is_told_with_and_without_the_prefix(client: AppClient, prefix: str):
    assert client.get(f"{prefix}/healthz").json()["status"] == "ok"
    assert client.get(f"{prefix}/readyz").json()["status"] == "ready"


@pytest.mark.parametrize("door", ["database", "storage", "jobs"])
def test_the_service_is_not_ready_while_something_is_away(
    client: AppClient, services: Any, door: str
):
    getattr(services, door).is_away = True
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    away = [name for name, outcome in answer.json()["checks"].items() if outcome != "ok"]
    assert away == [door]
    assert client.get("/healthz").status_code == 200


def test_the_service_is_not_ready_without_a_model(client: AppClient, services: Any):
    services.current_model = lambda: None
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["checks"]["model"].startswith("artifact_unusable")


def test_metrics_count_films_by_state_and_requests_by_route(client: AppClient, services: Any):
    film = make_film()
    services.films.films[film.id] = film
    client.get(f"/v1/films/{film.id}")
    client.get("/v1/films/none")
    client.get("/no/such/place")
    text = client.get("/metrics").text
    assert 'reeltag_films{status="queued"} 1.0' in text
    assert 'reeltag_films{status="failed"} 0.0' in text
    route = r'reeltag_http_requests_total\{method="GET",route="(.*)",status="(\d+)"\} 1.0'
    assert set(re.findall(route, text)) == {
        ("/v1/films/{film_id}", "200"), ("/v1/films/{film_id}", "404"), ("other", "404"),
    }  # fmt: skip


def test_every_answer_carries_the_security_headers(client: AppClient):
    for path in ("/", "/v1/films", "/v1/films/none", "/nowhere", "/docs"):
        headers = client.get(path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"


def test_the_pages_and_the_documentation_load_nothing_from_elsewhere(client: AppClient):
    for page in ("/", "/docs"):
        html = client.get(page).text
        targets = re.findall(r'(?:src|href)="([^"#]+)"', html)
        assert targets
        for target in targets:
            assert target.startswith("/"), f"{page} loads {target}"
            assert client.get(target).status_code == 200, target
        assert not re.search(r'["\'](?:https?:)?//', html)


def test_the_document_for_programs_names_every_operation(client: AppClient):
    document = client.get("/openapi.json").json()
    names = [
        operation["operationId"]
        for methods in document["paths"].values()
        for operation in methods.values()
    ]
    assert len(names) == len(set(names))
    assert all(re.fullmatch(r"[a-z]+[A-Za-z]+", name) for name in names)
    assert {"addFilm", "listFilms", "getFilm", "watchFilm", "listSegments"} <= set(names)
