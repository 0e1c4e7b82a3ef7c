"""Which films: the one grammar of filters, shared by every route that asks about many films.

Knows query parameters; what they mean for rows is `app.db.search`. The grammar stands in
`docs/api.md`, section "Finding films".
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Annotated

from fastapi import Depends, Query

from app.api.dependencies import MinScore, tag_name
from app.domain.films import FilmStatus
from app.domain.library import FilmQuery
from models.vocabulary import TAGS

Words = Annotated[list[str], Query(max_length=len(TAGS), examples=["war"])]
Moment = Annotated[datetime, Query(examples=["2026-11-23T12:00:00Z"])]


def given_filters(
    tag: Annotated[
        Words, Query(description="The film has this tag (name or slug); several: all of them.")
    ] = [],  # noqa: B006 - never changed; the web framework reads the default
    any_tag: Annotated[Words, Query(description="The film has at least one of these tags.")] = [],  # noqa: B006
    not_tag: Annotated[
        Words, Query(description="The film has none of these tags, whatever their score.")
    ] = [],  # noqa: B006
    min_score: Annotated[
        MinScore | None,
        Query(description="Each `tag`, and one `any_tag`, has it; without them, some tag."),
    ] = None,
    min_coverage_s: Annotated[
        float | None,
        Query(
            ge=0,
            le=1e7,
            description="Each `tag`, and that `any_tag`, covers so many seconds; without them, "
            "some tag.",
        ),
    ] = None,
    status: Annotated[FilmStatus | None, Query(description="Where the film stands.")] = None,
    q: Annotated[
        str | None, Query(max_length=200, description="Part of the title, whatever its case.")
    ] = None,
    model_version: Annotated[
        str | None, Query(max_length=80, description="The model whose tags are shown.")
    ] = None,
    created_after: Annotated[
        Moment | None, Query(description="The film arrived then or later; without zone: UTC.")
    ] = None,
    created_before: Annotated[
        Moment | None, Query(description="The film arrived earlier; without zone: UTC.")
    ] = None,
) -> FilmQuery:
    """Return the question that the parameters ask, in the default order."""
    return FilmQuery(
        tags=_names(tag),
        any_tags=_names(any_tag),
        not_tags=_names(not_tag),
        min_score=min_score,
        min_coverage_s=min_coverage_s,
        status=status,
        text=q or None,
        model_version=model_version or None,
        created_after=in_utc(created_after),
        created_before=in_utc(created_before),
    )


def in_utc(moment: datetime | None) -> datetime | None:
    """Return a moment with its zone; one without a zone is taken as UTC."""
    if moment is None or moment.tzinfo is not None:
        return moment
    return moment.replace(tzinfo=UTC)


def _names(words: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(tag_name(word) for word in words))


Filters = Annotated[FilmQuery, Depends(given_filters)]
