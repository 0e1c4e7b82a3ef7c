"""The filters of the REST interface as options of commands: one list, for every command alike."""

import inspect
from collections.abc import Callable
from datetime import datetime
from functools import wraps
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from app.domain.library import FilmQuery

Words = list[str] | None

OPTIONS: dict[str, Any] = {
    "tag": Annotated[
        Words, typer.Option(help="Films with this tag (name or slug); several times: all of them.")
    ],
    "any_tag": Annotated[Words, typer.Option(help="Films with at least one of these tags.")],
    "not_tag": Annotated[Words, typer.Option(help="Films with none of these tags.")],
    "min_score": Annotated[
        float | None, typer.Option(min=0, max=1, help="Each tag has at least this score.")
    ],
    "min_coverage_s": Annotated[
        float | None, typer.Option(min=0, help="Each tag covers at least so many seconds.")
    ],
    "status": Annotated[
        str | None, typer.Option(help="queued, running, done, failed or cancelled.")
    ],
    "text": Annotated[str | None, typer.Option("-q", "--text", help="Part of the title.")],
    "model_version": Annotated[str | None, typer.Option(help="The model whose tags are shown.")],
    "created_after": Annotated[datetime | None, typer.Option(help="Arrived then or later, UTC.")],
    "created_before": Annotated[datetime | None, typer.Option(help="Arrived earlier, UTC.")],
}
"""Options by the name of their parameter."""


def filtered(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command all filters as options; it takes them as one dictionary named `filters`."""
    own = [
        parameter
        for parameter in inspect.signature(command).parameters.values()
        if parameter.name != "filters"
    ]
    added = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=option)
        for name, option in OPTIONS.items()
    ]

    @wraps(command)
    def run(**given: Any) -> None:  # noqa: ANN401
        filters = {name: given.pop(name) for name in OPTIONS}
        command(filters=filters, **given)

    keyword = inspect.Parameter.KEYWORD_ONLY
    parameters = [*(one.replace(kind=keyword) for one in own), *added]
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {one.name: one.annotation for one in parameters} | {"return": None}
    return run


def query_of(filters: dict[str, Any]) -> "FilmQuery":
    """Return the question that the options ask, in the default order.

    Raises:
        TagNotFound: A word is not in the vocabulary.
    """
    from app.api.filters import given_filters

    asked: dict[str, Any] = {name: filters[name] for name in OPTIONS if name != "text"}
    asked |= {name: filters[name] or [] for name in ("tag", "any_tag", "not_tag")}
    asked |= {"status": _status(filters["status"]), "q": filters["text"]}
    return given_filters(**asked)


def _status(text: str | None) -> Any:  # noqa: ANN401 - FilmStatus, imported when needed
    from app.domain.films import FilmStatus

    if text is None:
        return None
    try:
        return FilmStatus(text)
    except ValueError as exc:
        states = ", ".join(status.value for status in FilmStatus)
        raise typer.BadParameter(f"a status is one of {states}, not {text!r}") from exc
