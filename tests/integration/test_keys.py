"""API keys on a real database: made, used, counted, taken back; quotas hold between processes."""

import hashlib
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from app.db.session import Database
from app.domain.access import ANYBODY, Caller, Quota, Scope
from app.errors import (
    InvalidRequest,
    KeyNotFound,
    QuotaExceeded,
    RateLimited,
    TooManyUploads,
    Unauthorized,
)
from app.main import create_app
from app.services.keys import LEASE_S, PREFIX, USE_NOTED_EVERY, KeyService
from tests.api_client import AppClient, pieces
from tests.integration.test_api_library import MP4, library

__all__ = ["library"]

NOON_S = datetime(2026, 11, 24, 12, tzinfo=UTC).timestamp()


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now_s = NOON_S

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def keys(database: Database, clock: Clock) -> KeyService:
    return KeyService(database, clock)


def made(keys: KeyService, scope: Scope = Scope.WRITE, **quota: int) -> tuple[Caller, str]:
    key, secret = keys.create("a key", scope, Quota(**quota))
    return Caller(key.id, key.scope, key.quota), secret


def test_a_key_opens_with_its_scope_and_quota(keys: KeyService):
    caller, secret = made(keys, Scope.ADMIN, max_films=3)
    assert keys.caller(secret) == caller
    assert secret.startswith(PREFIX)
    assert len(secret) - len(PREFIX) == 43  # 256 bits in base64


def test_the_database_holds_no_secret(keys: KeyService, database: Database):
    _, secret = made(keys)
    with database.session() as session:
        row = session.execute(text("SELECT * FROM api_keys")).one()
    assert not any(secret[len(PREFIX) :] in str(value) for value in row)
    assert hashlib.sha256(secret.encode()).hexdigest() in row


@pytest.mark.parametrize("wrong", ["", "reeltag_", "reeltag_x", "\ud800", "x" * 100_000, "' OR 1"])
def test_what_is_no_key_opens_nothing(keys: KeyService, wrong: str):
    made(keys)
    with pytest.raises(Unauthorized):
        keys.caller(wrong)


def test_a_digest_is_no_key(keys: KeyService):
    _, secret = made(keys)
    with pytest.raises(Unauthorized):
        keys.caller(hashlib.sha256(secret.encode()).hexdigest())


def test_a_revoked_key_opens_nothing_in_any_process(keys: KeyService, database: Database):
    caller, secret = made(keys)
    other = KeyService(database)
    assert other.caller(secret).key_id == caller.key_id
    assert keys.revoke(str(caller.key_id)).revoked_at is not None
    for service in (keys, other):
        with pytest.raises(Unauthorized):
            service.caller(secret)
    first = keys.list()[0].revoked_at
    assert other.revoke(str(caller.key_id)).revoked_at == first
    with pytest.raises(KeyNotFound):
        keys.revoke("nobody")


def test_a_key_expires(keys: KeyService, clock: Clock):
    until = datetime.fromtimestamp(NOON_S, UTC) + timedelta(days=1)
    _, secret = keys.create("for a day", Scope.READ, expires_at=until)
    clock.now_s += 86_399
    keys.caller(secret)
    clock.now_s += 1
    with pytest.raises(Unauthorized):
        keys.caller(secret)


def test_the_last_use_is_noted_to_the_hour(keys: KeyService, clock: Clock):
    _, secret = made(keys)
    assert keys.list()[0].last_used_at is None
    keys.caller(secret)
    first = keys.list()[0].last_used_at
    clock.now_s += 60
    keys.caller(secret)
    assert keys.list()[0].last_used_at == first
    clock.now_s += USE_NOTED_EVERY.total_seconds()
    keys.caller(secret)
    assert keys.list()[0].last_used_at == datetime.fromtimestamp(clock.now_s, UTC)


@pytest.mark.parametrize("name", ["", "  ", "x" * 101, "two\nlines", "\x1b[31m"])
def test_a_key_has_a_name_that_can_be_shown(keys: KeyService, name: str):
    with pytest.raises(InvalidRequest):
        keys.create(name)


def test_requests_are_limited_and_the_wait_is_told(keys: KeyService, clock: Clock):
    caller, _ = made(keys, requests_per_min=6)
    for _ in range(6):
        keys.admit(caller)
    with pytest.raises(RateLimited) as caught:
        keys.admit(caller)
    assert caught.value.retry_after_s == 10
    clock.now_s += 9
    with pytest.raises(RateLimited) as caught:
        keys.admit(caller)
    assert caught.value.retry_after_s == 1
    clock.now_s += 1
    keys.admit(caller)
    with pytest.raises(RateLimited):
        keys.admit(caller)
    clock.now_s += 3600
    for _ in range(6):
        keys.admit(caller)
    with pytest.raises(RateLimited):
        keys.admit(caller)


def test_a_clock_that_was_far_ahead_shuts_no_key_out(keys: KeyService, clock: Clock):
    caller, _ = made(keys, requests_per_min=2)
    clock.now_s += 10**6
    keys.admit(caller)
    clock.now_s -= 10**6
    keys.admit(caller)
    keys.admit(caller)
    with pytest.raises(RateLimited):
        keys.admit(caller)


def test_the_limit_holds_for_all_processes_together(
    keys: KeyService, database: Database, clock: Clock
):
    caller, _ = made(keys, requests_per_min=10)
    processes = [KeyService(database, clock) for _ in range(4)]

    def send(number: int) -> bool:
        try:
            processes[number % 4].admit(caller)
        except RateLimited:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(send, range(40))) == 10


def test_who_has_no_limit_or_no_key_is_not_counted(keys: KeyService):
    caller, _ = made(keys)
    for one in (caller, ANYBODY):
        for _ in range(50):
            keys.admit(one)
        keys.check_room(one, 2**60)


def test_uploads_at_once_are_limited_and_places_come_back(keys: KeyService, clock: Clock):
    caller, _ = made(keys, max_uploads=2)
    first, _ = keys.take_slot(caller), keys.take_slot(caller)
    with pytest.raises(TooManyUploads) as caught:
        keys.take_slot(caller)
    assert caught.value.retry_after_s
    first.free()
    kept = keys.take_slot(caller)
    clock.now_s += LEASE_S - 1
    kept.renew()
    clock.now_s += 2  # the second one's process died: nobody renewed it
    keys.take_slot(caller)
    with pytest.raises(TooManyUploads):
        keys.take_slot(caller)


def test_the_last_place_is_given_once(keys: KeyService, database: Database, clock: Clock):
    caller, _ = made(keys, max_uploads=3)

    def take(_: int) -> bool:
        try:
            KeyService(database, clock).take_slot(caller)
        except TooManyUploads:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(take, range(16))) == 3


@pytest.fixture
def guarded(library: SimpleNamespace) -> SimpleNamespace:
    """The library, asking everybody for a key."""
    settings = library.services.settings.model_copy(update={"require_key": "always"})
    object.__setattr__(library.services, "settings", settings)
    library.client = AppClient(create_app(library.services))
    return library


def add(library: Any, secret: str, content: Any, **more: Any) -> httpx.Response:
    headers = MP4 | {"Authorization": f"Bearer {secret}"} | more.pop("headers", {})
    answer: httpx.Response = library.client.post(
        "/v1/films", content=content, headers=headers, **more
    )
    return answer


def code_of(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json().get("code", "")


def test_a_key_keeps_as_many_films_as_it_may(guarded: SimpleNamespace):
    _, secret = made(guarded.services.keys, max_films=2)
    _, other = made(guarded.services.keys)
    ids = [add(guarded, secret, b"film %d" % n).json()["id"] for n in range(2)]
    assert code_of(add(guarded, secret, b"one more")) == (403, "quota_exceeded")
    assert add(guarded, other, b"another key's").status_code == 202
    headers = {"Authorization": f"Bearer {secret}"}
    assert guarded.client.request("DELETE", f"/v1/films/{ids[0]}", headers=headers).is_success
    assert add(guarded, secret, b"one more").status_code == 202


@pytest.mark.parametrize("is_announced", [True, False])
def test_a_key_keeps_as_many_bytes_as_it_may(guarded: SimpleNamespace, is_announced: bool):
    _, secret = made(guarded.services.keys, max_bytes=1000)
    assert add(guarded, secret, b"a" * 600).status_code == 202
    content: Any = b"b" * 401
    answer = add(guarded, secret, content if is_announced else pieces([content]))
    assert code_of(answer) == (403, "quota_exceeded")
    assert len(list(guarded.storage.keys("films/"))) == 1
    assert not list((guarded.folder / "incoming").glob("*.part"))
    assert add(guarded, secret, pieces([b"a" * 600])).status_code == 200  # it is here already
    assert add(guarded, secret, b"b" * 400).status_code == 202


def test_two_uploads_cannot_both_be_the_last_one(guarded: SimpleNamespace):
    _, secret = made(guarded.services.keys, max_films=3)
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda n: add(guarded, secret, b"film %d" % n), range(6)))
    assert sorted(answer.status_code for answer in answers) == [202] * 3 + [403] * 3
    assert len(list(guarded.storage.keys("films/"))) == 3


def test_unfinished_resumable_uploads_count_too(guarded: SimpleNamespace):
    _, secret = made(guarded.services.keys, max_bytes=1000)
    headers = {"Tus-Resumable": "1.0.0", "Authorization": f"Bearer {secret}"}

    def announce(length: int) -> httpx.Response:
        answer: httpx.Response = guarded.client.post(
            "/v1/uploads", headers=headers | {"Upload-Length": str(length)}
        )
        return answer

    place = announce(700).headers["location"]
    assert code_of(announce(301)) == (403, "quota_exceeded")
    assert announce(300).status_code == 201
    part = headers | {"Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"}
    done = guarded.client.request("PATCH", place, content=b"x" * 700, headers=part)
    assert done.headers["reeltag-film-created"] == "true"
    assert code_of(add(guarded, secret, b"y" * 301)) == (403, "quota_exceeded")


def test_an_upload_is_there_for_the_key_that_announced_it_only(guarded: SimpleNamespace):
    _, mine = made(guarded.services.keys)
    _, other = made(guarded.services.keys)
    tus = {"Tus-Resumable": "1.0.0"}
    place = guarded.client.post(
        "/v1/uploads", headers=tus | {"Upload-Length": "4", "Authorization": f"Bearer {mine}"}
    ).headers["location"]
    part = tus | {"Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"}
    for secret, expected in ((other, 404), (mine, 200)):
        headers = tus | {"Authorization": f"Bearer {secret}"}
        assert guarded.client.request("HEAD", place, headers=headers).status_code == expected
    stolen = part | {"Authorization": f"Bearer {other}"}
    refused = guarded.client.request("PATCH", place, content=b"film", headers=stolen)
    assert code_of(refused) == (404, "upload_not_found")
    gone = tus | {"Authorization": f"Bearer {other}"}
    assert guarded.client.request("DELETE", place, headers=gone).status_code == 404
    own = part | {"Authorization": f"Bearer {mine}"}
    assert guarded.client.request("PATCH", place, content=b"film", headers=own).status_code == 204


def test_a_busy_key_is_told_when_to_come_back(guarded: SimpleNamespace):
    caller, secret = made(guarded.services.keys, max_uploads=1, requests_per_min=3)
    slot = guarded.services.keys.take_slot(caller)
    refused = add(guarded, secret, b"film")
    assert code_of(refused) == (429, "too_many_uploads")
    assert int(refused.headers["retry-after"]) > 0
    slot.free()
    assert add(guarded, secret, b"film").status_code == 202
    assert add(guarded, secret, b"").status_code == 422
    limited = add(guarded, secret, b"film")
    assert code_of(limited) == (429, "rate_limited")
    assert 0 < int(limited.headers["retry-after"]) <= 20
    with guarded.database.session() as session:
        assert session.execute(text("SELECT count(*) FROM upload_slots")).scalar() == 0


def test_films_of_no_key_count_for_none(guarded: SimpleNamespace):
    keys = guarded.services.keys
    caller, _ = made(keys, max_films=1)
    incoming = guarded.services.films.incoming()
    incoming.write(b"from the command line")
    guarded.services.films.add(incoming)
    keys.check_room(caller, 1)
    with pytest.raises(QuotaExceeded):
        keys.check_room(made(keys, max_films=0)[0], 1)
