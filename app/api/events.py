"""A film's progress as server-sent events, until the analysis ends.

Looks at the film's row a few times a second, so that it works with any number of API and worker
processes; knows nothing of the queue.
"""

import json
from collections.abc import AsyncIterator

from anyio import Event, move_on_after, to_thread
from fastapi import APIRouter
from sse_starlette import EventSourceResponse, ServerSentEvent

from app.api.dependencies import FilmId, GivenServices
from app.api.problems import describe
from app.domain.library import Film
from app.errors import FilmNotFound, OperationalError
from app.services.films import FilmService

router = APIRouter(prefix="/v1", tags=["films"])

LOOK_EVERY_S = 0.4
"""People take up to half a second for immediate."""

PING_EVERY_S = 15
"""Proxies close connections that are silent for half a minute or more."""

STOP_WITHIN_S = 2
"""A stream that still runs so long after the server was told to stop is cut off."""


@router.get(
    "/films/{film_id}/events",
    operation_id="watchFilm",
    summary="Watch a film's progress",
    response_class=EventSourceResponse,
    responses={
        200: {
            "description": "Events `progress` with `{status, stage, progress}` at once and at "
            "every change; then one event `end` with the last state, and the stream closes.",
            "content": {"text/event-stream": {"schema": {"type": "string"}}},
        },
        **describe(404, 503),
    },
)
async def watch_film(services: GivenServices, film_id: FilmId) -> EventSourceResponse:
    """Send the film's status, stage and progress whenever one of them changes."""
    film = await to_thread.run_sync(services.films.get, film_id)
    stopping = Event()
    return EventSourceResponse(
        progress_events(services.films, film, stopping),
        ping=PING_EVERY_S,
        shutdown_event=stopping,
        shutdown_grace_period=STOP_WITHIN_S,
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


async def progress_events(
    films: FilmService, film: Film, stopping: Event
) -> AsyncIterator[ServerSentEvent]:
    """Give the events of `film`, from what it is now to its end.

    A film that is deleted meanwhile ends with the status ``deleted``; while the database is away
    the watcher waits. Once `stopping` is set the stream closes without an end: browsers then ask
    again, and find the server that took over.
    """
    sent = ""
    while True:
        data = json.dumps(
            {"status": film.status, "stage": film.stage, "progress": round(film.progress, 4)}
        )
        if data != sent:
            yield ServerSentEvent(data, event="progress")
            sent = data
        if film.status.is_final:
            yield ServerSentEvent(data, event="end")
            return
        with move_on_after(LOOK_EVERY_S):
            await stopping.wait()
            return
        try:
            film = await to_thread.run_sync(films.get, film.id)
        except FilmNotFound:
            yield ServerSentEvent(json.dumps({"status": "deleted"}), event="end")
            return
        except OperationalError:
            continue
