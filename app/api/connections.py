"""One HTTP connection as uvicorn reads it, with an end to heads that are too long or never end.

uvicorn keeps an unfinished head in memory however long it grows, and waits for it for ever. Knows
bytes and time; what a request asks is for others.
"""

from asyncio import TimerHandle, Transport
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_BYTES = 64 * 2**10
"""Most bytes that bring neither the end of a head nor a piece of a body."""

HEAD_S = 30.0
"""Seconds within which a head is complete, from the connection or from its first byte."""

REFUSAL = (
    b'{"type": "urn:reeltag:problem:headers_too_large", "title": "The headers are too large", '
    b'"status": 431, "detail": "the head of the request does not end", '
    b'"code": "headers_too_large"}'
)


class BoundedConnection(HttpToolsProtocol):
    """uvicorn's protocol, bounded.

    Attributes:
        head_s: Seconds within which a head is complete; tests take fewer.
    """

    head_s = HEAD_S

    def __init__(self, *args: Any, **named: Any) -> None:  # noqa: ANN401
        super().__init__(*args, **named)
        self._idle_bytes = 0
        self._head_timer: TimerHandle | None = None

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first head."""
        super().connection_made(transport)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no longer."""
        self._forget_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take bytes; close where they lead nowhere."""
        self._idle_bytes += len(data)
        super().data_received(data)
        if self._idle_bytes > HEAD_BYTES and not self.transport.is_closing():
            self.transport.write(
                b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
                b"Content-Type: application/problem+json\r\nConnection: close\r\n"
                b"Content-Length: %d\r\n\r\n%b" % (len(REFUSAL), REFUSAL)
            )
            self.transport.close()

    def on_message_begin(self) -> None:
        """A head begins."""
        super().on_message_begin()
        if self._head_timer is None:
            self._await_head()

    def on_headers_complete(self) -> None:
        """A head is complete."""
        self._idle_bytes = 0
        self._forget_timer()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """A piece of a body came."""
        self._idle_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """A request is complete."""
        self._idle_bytes = 0
        super().on_message_complete()

    def _await_head(self) -> None:
        self._head_timer = self.loop.call_later(self.head_s, self._give_up)

    def _forget_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _give_up(self) -> None:
        self._head_timer = None
        if not self.transport.is_closing():
            self.transport.close()
