"""Counting requests and films for Prometheus, and headers that every answer carries.

A plain ASGI layer around the application: bodies pass through untouched, so that uploads and event
streams stay streams. Knows no route.
"""

import time
from collections.abc import Callable, Iterator, Mapping

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.domain.films import FilmStatus
from app.errors import OperationalError

SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Content-Security-Policy": "default-src 'none'; base-uri 'none'; frame-ancestors 'none'",
}
"""Nothing here is to be guessed at, framed or loaded by others, or told to others.

Pages that load something say so in a Content-Security-Policy of their own.
"""

SECONDS_BUCKETS = (0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60, 600)
"""From a look at a film to a long upload."""


class Metrics:
    """Figures of one application; not shared with other applications of the process."""

    def __init__(self, count_films: Callable[[], Mapping[FilmStatus, int]]) -> None:
        self.registry = CollectorRegistry()
        self.registry.register(_FilmCollector(count_films))
        self.requests = Counter(
            "reeltag_http_requests",
            "Requests that were answered.",
            ["method", "route", "status"],
            registry=self.registry,
        )
        self.seconds = Histogram(
            "reeltag_http_request_seconds",
            "Seconds from the head of a request to the end of its answer.",
            ["method", "route"],
            buckets=SECONDS_BUCKETS,
            registry=self.registry,
        )


class _FilmCollector(Collector):
    """Counts films by status when it is asked, so that every API process tells the same."""

    def __init__(self, count_films: Callable[[], Mapping[FilmStatus, int]]) -> None:
        self._count_films = count_films

    def collect(self) -> Iterator[GaugeMetricFamily]:
        family = GaugeMetricFamily("reeltag_films", "Films by status.", labels=["status"])
        try:
            counts = self._count_films()
        except OperationalError:
            return  # the other figures are wanted most when the database is away
        for status in FilmStatus:
            family.add_metric([status.value], counts.get(status, 0))
        yield family


class EdgeMiddleware:
    """The outermost layer: adds the headers, counts the request."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let one request through."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status = 500

        async def send_on(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY_HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        started_s = time.monotonic()
        try:
            await self._app(scope, receive, send_on)
        finally:
            method, route = scope["method"], _route_of(scope)
            if method not in KNOWN_METHODS:
                method = "other"
            self._metrics.requests.labels(method, route, str(status)).inc()
            self._metrics.seconds.labels(method, route).observe(time.monotonic() - started_s)


KNOWN_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
"""Others are counted together: callers must not be able to make new label values."""


def _route_of(scope: Scope) -> str:
    """Return the route's pattern, never the path that was called: label values stay few."""
    route = scope.get("route")
    return str(getattr(route, "path", "other"))
