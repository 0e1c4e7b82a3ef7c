import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from anyio import Event

from app.api import events
from app.domain.films import FilmStatus, Stage
from app.domain.library import Film
from app.errors import DatabaseUnavailable, FilmNotFound
from tests.api_client import AppClient, make_film


class ChangingFilms:
    """Gives the next of a list of states, or raises it, each time it is asked."""

    def __init__(self, *states: Film | Exception) -> None:
        self._states = iter(states)

    def get(self, film_id: str) -> Film:
        state = next(self._states)
        if isinstance(state, Exception):
            raise state
        return state


def watch(films: Any, film: Film) -> list[tuple[str, dict[str, Any]]]:
    async def collect() -> list[tuple[str, dict[str, Any]]]:
        return [
            (str(event.event), json.loads(event.data))
            async for event in events.progress_events(films, film, Event())
        ]

    return asyncio.run(collect())


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "LOOK_EVERY_S", 0)


@pytest.fixture
def running() -> Callable[[float], Film]:
    film = make_film(status=FilmStatus.RUNNING, stage=Stage.ANALYSING)
    return lambda progress: replace(film, progress=progress)


def test_each_change_is_told_once_and_the_end_closes(running: Callable[[float], Film]):
    queued = make_film()
    done = make_film(status=FilmStatus.DONE, stage=Stage.FINISHED, progress=1.0)
    films = ChangingFilms(queued, running(0.1), running(0.1), running(0.5), done)
    told = watch(films, queued)
    assert [(event, data["progress"]) for event, data in told] == [
        ("progress", 0.0), ("progress", 0.1), ("progress", 0.5), ("progress", 1.0), ("end", 1.0),
    ]  # fmt: skip
    assert told[-1][1] == {"status": "done", "stage": "finished", "progress": 1.0}


def test_a_server_that_stops_closes_the_stream_without_an_end(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(events, "LOOK_EVERY_S", 60)

    async def collect() -> list[str]:
        stopping, told = Event(), []
        async for event in events.progress_events(ChangingFilms(), make_film(), stopping):
            told.append(str(event.event))
            stopping.set()
        return told

    assert asyncio.run(collect()) == ["progress"]


def test_a_film_that_is_deleted_meanwhile_ends(running: Callable[[float], Film]):
    told = watch(ChangingFilms(FilmNotFound("gone")), running(0.1))
    assert told[-1] == ("end", {"status": "deleted"})


def test_a_database_that_is_away_is_waited_for(running: Callable[[float], Film]):
    failed = make_film(status=FilmStatus.FAILED)
    told = watch(ChangingFilms(DatabaseUnavailable("away"), failed), running(0.1))
    assert [event for event, _ in told] == ["progress", "progress", "end"]


@pytest.mark.parametrize("status", [status for status in FilmStatus if status.is_final])
def test_a_film_that_has_ended_is_told_at_once(
    client: AppClient, services: Any, status: FilmStatus
):
    film = make_film(status=status, stage=Stage.FINISHED)
    services.films.films[film.id] = film
    answer = client.get(f"/v1/films/{film.id}/events")
    assert answer.headers["content-type"].startswith("text/event-stream")
    lines = [line for line in answer.text.splitlines() if line.startswith("event:")]
    assert lines == ["event: progress", "event: end"]
