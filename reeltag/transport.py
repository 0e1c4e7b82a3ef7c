"""How the client talks: one HTTP connection pool, answers as typed values, refusals as errors."""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx

from reeltag.errors import ConnectionFailed, error_of
from reeltag.types import Page, Value

Answer = TypeVar("Answer", bound=Value)

Parameter = str | int | float | bool | datetime | Sequence[str] | None

TIMEOUT_S = 60.0
"""How long an answer may take; uploads may take any time as long as bytes flow."""


KEY_VARIABLE = "REELTAG_API_KEY"
"""Where the key is looked for when nobody says it."""


class Transport:
    """The connection to one server; a context manager, safe from several threads.

    Args:
        url: Where the server is, for example ``http://127.0.0.1:8000``.
        timeout_s: Seconds after which a silent server counts as away.
        api_key: A key of `reeltag keys create`, for a server that asks for one; None takes the
            variable REELTAG_API_KEY, an empty text sends none.
        headers: Sent with every request, for example for a proxy.
        http: A client to use in place of one of its own; it is closed too.
    """

    def __init__(
        self,
        url: str = "http://127.0.0.1:8000",
        *,
        timeout_s: float = TIMEOUT_S,
        api_key: str | None = None,
        headers: Mapping[str, str] | None = None,
        http: httpx.Client | None = None,
    ) -> None:
        secret = os.environ.get(KEY_VARIABLE, "") if api_key is None else api_key
        sent = ({"Authorization": f"Bearer {secret}"} if secret else {}) | dict(headers or {})
        self._http = http or httpx.Client(base_url=url, timeout=timeout_s, headers=sent)

    def close(self) -> None:
        """Close all connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def send(
        self,
        method: str,
        path: str,
        params: Mapping[str, Parameter] | None = None,
        **more: Any,  # noqa: ANN401
    ) -> httpx.Response:
        """Send a request and return the whole answer.

        Raises:
            ApiError: The server refused.
            ConnectionFailed: No answer came.
        """
        with self.stream(method, path, params, **more) as response:
            response.read()
            return response

    @contextmanager
    def stream(
        self,
        method: str,
        path: str,
        params: Mapping[str, Parameter] | None = None,
        **more: Any,  # noqa: ANN401
    ) -> Iterator[httpx.Response]:
        """Send a request and give the answer before its body was read.

        Raises:
            ApiError: The server refused.
            ConnectionFailed: No answer came, or it broke off.
        """
        try:
            with self._http.stream(method, path, params=_params(params), **more) as response:
                if response.status_code >= 400:
                    response.read()
                    raise error_of(response)
                yield response
        except httpx.TransportError as exc:
            raise ConnectionFailed(f"{self._http.base_url}: {exc or type(exc).__name__}") from exc

    def get(
        self, kind: type[Answer], path: str, params: Mapping[str, Parameter] | None = None
    ) -> Answer:
        """Read one value."""
        return kind.model_validate_json(self.send("GET", path, params).content)

    def post(self, kind: type[Answer], path: str, **more: Any) -> Answer:  # noqa: ANN401
        """Send something and read the value that comes back."""
        return kind.model_validate_json(self.send("POST", path, **more).content)

    def page(
        self, kind: type[Answer], path: str, params: Mapping[str, Parameter] | None = None
    ) -> Page[Answer]:
        """Read a page of values."""
        found = json.loads(self.send("GET", path, params).content)
        items = [kind.model_validate(item) for item in found["items"]]
        return Page(items=items, next_cursor=found["next_cursor"])


def _params(given: Mapping[str, Parameter] | None) -> httpx.QueryParams:
    """Return what was given, as it stands in an address: nothing for None, several for a list."""
    found: list[tuple[str, str]] = []
    for name, value in (given or {}).items():
        if isinstance(value, datetime):
            found.append((name, value.isoformat()))
        elif isinstance(value, (str, int, float)):
            found.append((name, str(value)))
        elif value is not None:
            found += [(name, word) for word in value]
    return httpx.QueryParams(tuple(found))
