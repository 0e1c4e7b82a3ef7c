"""What routes are given: the services, and parameters that several of them share.

Knows where the application keeps its services; builds none.
"""

from typing import Annotated

from fastapi import Depends, Path, Query, Request

from app.domain.films import Sampling
from app.domain.tags import DEFAULT_TOP_K
from app.errors import InvalidRequest, TagNotFound
from app.services.registry import Services
from app.services.search import MAX_LIMIT
from models.vocabulary import TAGS, UnknownTagError, find_tag

PAGE_SIZE = 50
"""Items of a page when nobody says how many."""

MOST_PER_PAGE = MAX_LIMIT
"""A page stays small enough to be made and sent in a moment."""


def given_services(request: Request) -> Services:
    """Return the services of the application that answers `request`."""
    services: Services = request.app.state.services
    return services


def tag_name(word: str) -> str:
    """Return the tag that `word` names or whose slug it is.

    Raises:
        TagNotFound: It is not in the vocabulary; the message offers near ones.
    """
    try:
        return find_tag(word).name
    except UnknownTagError as exc:
        raise TagNotFound(str(exc)) from exc


def checked_sampling(text: str | None) -> str | None:
    """Return `text` in its one spelling, None and the empty text as None.

    Raises:
        InvalidRequest: It is no way of sampling.
    """
    if not text:
        return None
    try:
        return str(Sampling.parse(text))
    except ValueError as exc:
        raise InvalidRequest(str(exc)) from exc


GivenServices = Annotated[Services, Depends(given_services)]
FilmId = Annotated[str, Path(description="The film's id.", max_length=200)]
TagWord = Annotated[str, Path(description="A tag's name or slug.", examples=["beach-sea"])]
TagWords = Annotated[
    list[str],
    Query(
        alias="tag",
        description="A tag's name or slug; may stand several times.",
        max_length=len(TAGS),
        examples=["war"],
    ),
]
Cursor = Annotated[
    str | None,
    Query(description="`next_cursor` of the page before; none: the first page.", max_length=500),
]
Limit = Annotated[int, Query(ge=1, le=MOST_PER_PAGE, description="Most items of the page.")]
TopK = Annotated[
    int, Query(ge=1, le=len(TAGS), description="How many of a frame's or shot's first tags count.")
]
MinScore = Annotated[
    float, Query(ge=0, le=1, allow_inf_nan=False, description="Least score, 0 to 1.")
]
SamplingText = Annotated[
    str | None,
    Query(
        description="Which frames are looked at: `shots` (default), `keyframes` (fastest) or "
        "`interval:SECONDS`.",
        max_length=40,
        examples=["keyframes"],
    ),
]

__all__ = [
    "DEFAULT_TOP_K",
    "MOST_PER_PAGE",
    "PAGE_SIZE",
    "Cursor",
    "FilmId",
    "GivenServices",
    "Limit",
    "MinScore",
    "SamplingText",
    "TagWord",
    "TagWords",
    "TopK",
    "checked_sampling",
    "given_services",
    "tag_name",
]
