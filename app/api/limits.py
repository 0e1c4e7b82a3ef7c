"""How much of a request is read: headers, bodies that are no film, and bodies that hardly move.

A plain ASGI layer, so that it holds for routes that are not written yet. How large a film may be,
and that the whole head of a request comes in time, is decided elsewhere (`uploads`, `connections`).
"""

import asyncio
import time

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.problems import answer_reeltag_error
from app.config import Settings
from app.errors import BodyTooLarge, HeadersTooLarge, ReeltagError, RequestTooSlow

MAX_HEADERS = 100

MAX_HEADER_BYTES = 32 * 2**10

FILMS, UPLOADS = "/v1/films", "/v1/uploads"


class LimitsMiddleware:
    """Refuses what is too much before anybody reads it, and ends what is too slow.

    Args:
        app: What answers the request.
        settings: The limits.
    """

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._settings = settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let one request through, or answer it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        most_bytes = None if carries_film(scope) else self._settings.max_body_bytes
        try:
            _check_head(scope, most_bytes)
        except ReeltagError as error:
            await answer_reeltag_error(Request(scope), error)(scope, receive, send)
            return
        body = _Body(receive, most_bytes, self._settings)
        await self._app(scope, body.receive, send)


def carries_film(scope: Scope) -> bool:
    """Whether the body may be a film, whose size others judge."""
    path = scope["path"].rstrip("/")
    if scope["method"] == "POST" and path == FILMS:
        return True
    return scope["method"] in {"POST", "PATCH"} and (
        path == UPLOADS or path.startswith(f"{UPLOADS}/")
    )


class _Body:
    """A request's body, measured while it is waited for.

    Only waiting for the caller counts: what our own disk takes to write is not the caller's fault.
    """

    def __init__(self, receive: Receive, most_bytes: int | None, settings: Settings) -> None:
        self._receive = receive
        self._most_bytes = most_bytes
        self._stall_s = settings.body_stall_s
        self._least_bytes = max(1.0, settings.body_bytes_per_s * settings.body_stall_s)
        self._is_complete = False
        self._size_bytes = 0
        self._waited_s = 0.0
        self._came_bytes = 0

    async def receive(self) -> Message:
        """Give the next message.

        Raises:
            RequestTooSlow: Too little came while it was waited for.
            BodyTooLarge: More came than may.
        """
        if self._is_complete:
            return await self._receive()  # this waits for the caller to hang up: no limit
        started_s = time.monotonic()
        try:
            async with asyncio.timeout(max(0.0, self._stall_s - self._waited_s)):
                message = await self._receive()
        except TimeoutError:
            self._judge()
            return await self.receive()
        self._waited_s += time.monotonic() - started_s
        self._is_complete = not message.get("more_body", False)
        length = len(message.get("body", b""))
        self._size_bytes += length
        self._came_bytes += length
        if self._most_bytes is not None and self._size_bytes > self._most_bytes:
            raise BodyTooLarge(f"bodies that are no film have at most {self._most_bytes} bytes")
        if self._waited_s >= self._stall_s and not self._is_complete:
            self._judge()
        return message

    def _judge(self) -> None:
        """Look back at a stretch of waiting, and begin the next one."""
        if self._came_bytes < self._least_bytes:
            raise RequestTooSlow(
                f"{self._came_bytes} bytes of the body came in {self._stall_s:g} seconds"
            )
        self._waited_s, self._came_bytes = 0.0, 0


def _check_head(scope: Scope, most_bytes: int | None) -> None:
    headers: list[tuple[bytes, bytes]] = scope["headers"]
    size_bytes = sum(len(name) + len(value) for name, value in headers)
    if len(headers) > MAX_HEADERS or size_bytes > MAX_HEADER_BYTES:
        raise HeadersTooLarge(
            f"a request has at most {MAX_HEADERS} headers of together {MAX_HEADER_BYTES} bytes"
        )
    announced = Headers(scope=scope).get("content-length", "")
    if most_bytes is not None and announced.isdecimal() and int(announced) > most_bytes:
        raise BodyTooLarge(f"bodies that are no film have at most {most_bytes} bytes")
