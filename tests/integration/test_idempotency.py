"""`Idempotency-Key` on `POST /v1/films`: the same request again is answered, not done again."""

from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from app.db.session import Database
from app.domain.access import Scope
from app.errors import AnotherRequest, StillAnswering
from app.main import create_app
from app.services.idempotency import LEASE_S, Idempotency
from tests.api_client import AppClient, pieces
from tests.integration.test_api_library import MP4, library
from tests.integration.test_keys import Clock

__all__ = ["library"]


def add(library: Any, content: Any, word: str = "one", query: str = "") -> httpx.Response:
    headers = MP4 | {"Idempotency-Key": word}
    answer: httpx.Response = library.client.post(
        f"/v1/films{query}", content=content, headers=headers
    )
    return answer


def rows(library: Any) -> int:
    with library.database.session() as session:
        return int(session.execute(text("SELECT count(*) FROM idempotency")).scalar() or 0)


def test_the_same_request_again_gets_the_same_answer(library: SimpleNamespace):
    first = add(library, b"film")
    again = add(library, b"film")
    assert (first.status_code, again.status_code) == (202, 202)
    assert again.json() == first.json()
    assert again.headers["location"] == first.headers["location"]
    assert add(library, b"film", "two").status_code == 200  # another word: the film that is there
    assert not list((library.folder / "incoming").glob("*.part"))


def test_the_answer_stays_though_the_film_moves_on(library: SimpleNamespace):
    first = add(library, b"film")
    film_id = first.json()["id"]
    library.client.post(f"/v1/films/{film_id}/cancel")
    assert add(library, b"film").json() == {"id": film_id, "status": "queued"}
    library.client.request("DELETE", f"/v1/films/{film_id}")
    assert add(library, b"film").json() == first.json()
    assert library.client.get("/v1/films").json()["items"] == []


@pytest.mark.parametrize(("content", "query"), [(b"other", ""), (b"film", "?title=Other")])
def test_another_request_under_the_same_word_is_refused(
    library: SimpleNamespace, content: bytes, query: str
):
    first = add(library, b"film")
    answer = add(library, content, query=query)
    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")
    assert len(library.client.get("/v1/films").json()["items"]) == 1
    assert add(library, b"film").json() == first.json()


def test_a_refused_request_may_be_tried_again(library: SimpleNamespace):
    assert add(library, b"").json()["code"] == "empty_upload"
    assert rows(library) == 0
    assert add(library, b"film").status_code == 202


def test_a_second_request_is_told_to_wait_for_the_first(library: SimpleNamespace):
    claim = library.services.idempotency.begin(None, "one")
    answer = add(library, b"film")
    assert (answer.status_code, answer.json()["code"]) == (409, "idempotency_in_progress")
    assert int(answer.headers["retry-after"]) > 0
    claim.give_up()
    assert add(library, b"film").status_code == 202


def test_of_many_at_once_one_is_done(library: SimpleNamespace):
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: add(library, pieces([b"fi", b"lm"])), range(6)))
    assert {answer.status_code for answer in answers} <= {202, 409}
    done = [answer.json()["id"] for answer in answers if answer.status_code == 202]
    assert len(set(done)) == 1
    assert add(library, b"film").json()["id"] == done[0]
    assert len(library.client.get("/v1/films").json()["items"]) == 1


def test_each_key_has_words_of_its_own(library: SimpleNamespace):
    settings = library.services.settings.model_copy(update={"require_key": "always"})
    object.__setattr__(library.services, "settings", settings)
    client = AppClient(create_app(library.services))
    codes = []
    for content in (b"mine", b"yours"):
        _, secret = library.services.keys.create("key", Scope.WRITE)
        headers = MP4 | {"Idempotency-Key": "one", "Authorization": f"Bearer {secret}"}
        codes.append(client.post("/v1/films", content=content, headers=headers).status_code)
    assert codes == [202, 202]


@pytest.mark.parametrize("word", ["x" * 256, "two words", "ümlaut".encode()])
def test_a_word_is_short_and_plain(library: SimpleNamespace, word: Any):
    assert add(library, b"film", word).json()["code"] == "invalid_request"


def test_an_answer_expires_and_a_dead_claim_is_taken_over(database: Database):
    clock = Clock()
    book = Idempotency(database, 3600, clock)
    dead = book.begin("key", "one")
    with pytest.raises(StillAnswering):
        book.begin("key", "one")
    clock.now_s += LEASE_S - 1
    dead.renew()
    clock.now_s += LEASE_S - 1
    with pytest.raises(StillAnswering):
        book.begin("key", "one")
    clock.now_s += 2
    heir = book.begin("key", "one")
    heir.settle("f", {"status": 202})
    dead.settle("g", {"status": 500})  # it comes back too late
    dead.give_up()
    found = book.begin("key", "one")
    assert found.earlier("f") == {"status": 202}
    with pytest.raises(AnotherRequest):
        found.earlier("g")
    clock.now_s += 3601
    fresh = book.begin("key", "one")
    assert fresh.earlier("g") is None
