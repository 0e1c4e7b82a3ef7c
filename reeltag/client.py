"""The client: every call of the REST interface as a method, typed.

Method names are the interface's operation ids; parameters have its names; None is not sent.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any, Literal, TypeVar
from urllib.parse import quote

from reeltag.finding_calls import FindingCalls
from reeltag.types import FoundSegment, Model, Page, Tag, TimelineEntry
from reeltag.upload_calls import UploadCalls

Item = TypeVar("Item")

__all__ = ["Client", "walk"]


class Client(UploadCalls, FindingCalls):
    """Talks to one Reeltag server; see `Transport` for its arguments.

    Example:
        with Client("http://127.0.0.1:8000") as reeltag:
            for film in walk(reeltag.list_films, tag=["war"], min_coverage_s=27):
                print(film.title)
    """

    def find_segments(
        self,
        tag: str,
        *,
        min_score: float | None = None,
        min_duration_s: float | None = None,
        sort: Literal["-score", "-created_at"] | None = None,
        cursor: str | None = None,
        limit: int | None = None,
    ) -> Page[FoundSegment]:
        """Find where in the whole library a tag holds."""
        asked = {name: value for name, value in locals().items() if name != "self"}
        return self.page(FoundSegment, "/v1/segments", asked)

    def get_timeline(
        self,
        *,
        interval: Literal["day", "month", "year"] | None = None,
        tag: Sequence[str] = (),
        any_tag: Sequence[str] = (),
        not_tag: Sequence[str] = (),
        min_score: float | None = None,
        min_coverage_s: float | None = None,
        status: str | None = None,
        q: str | None = None,
        model_version: str | None = None,
        created_after: datetime | None = None,
        created_before: datetime | None = None,
        cursor: str | None = None,
        limit: int | None = None,
    ) -> Page[TimelineEntry]:
        """Return how many of the films that fit have each tag, by when they arrived."""
        asked = {name: value for name, value in locals().items() if name != "self"}
        return self.page(TimelineEntry, "/v1/timeline", asked)

    def list_tags(
        self,
        *,
        tag: Sequence[str] = (),
        any_tag: Sequence[str] = (),
        not_tag: Sequence[str] = (),
        min_score: float | None = None,
        min_coverage_s: float | None = None,
        status: str | None = None,
        q: str | None = None,
        model_version: str | None = None,
        created_after: datetime | None = None,
        created_before: datetime | None = None,
    ) -> Page[Tag]:
        """Return the vocabulary, with how many of the films that fit have each tag."""
        asked = {name: value for name, value in locals().items() if name != "self"}
        return self.page(Tag, "/v1/tags", asked)

    def list_models(self) -> Page[Model]:
        """Return the models of the library."""
        return self.page(Model, "/v1/models")

    def activate_model(self, version: str) -> Model:
        """Use a model for new analyses.

        Raises:
            ModelNotFound: No model has this version.
            Conflict: Its files cannot be used; the active model stays.
        """
        return self.post(Model, f"/v1/models/{quote(version, safe='')}/activate")


def walk(
    method: Callable[..., Page[Item]],
    *args: Any,  # noqa: ANN401
    **asked: Any,  # noqa: ANN401
) -> Iterator[Item]:
    """Give the items of all pages, one after another; pages are read as they are needed.

    Args:
        method: A call of the client that takes `cursor`.
        args: What it takes by place.
        asked: What it takes by name.
    """
    cursor = None
    while True:
        page = method(*args, **asked, cursor=cursor)
        yield from page.items
        cursor = page.next_cursor
        if cursor is None:
            return
