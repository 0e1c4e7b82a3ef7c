"""The vocabulary over HTTP."""

from fastapi import APIRouter

from app.api.dependencies import GivenServices
from app.api.filters import Filters
from app.api.problems import describe
from app.api.schemas import TagBody, TagPageBody
from models.vocabulary import VOCABULARY

router = APIRouter(prefix="/v1", tags=["tags"])


@router.get(
    "/tags", operation_id="listTags", summary="The vocabulary", responses=describe(404, 503)
)
def list_tags(services: GivenServices, filters: Filters) -> TagPageBody:
    """Return the 50 tags in their fixed order, with how many of the films that fit have each.

    The filters are those of `GET /v1/films`; a tag's number is what that finds with the tag too.
    """
    current = services.current_model()
    trained = frozenset(current.tags) if current else frozenset()
    counts = services.search.tag_counts(filters)
    items = [
        TagBody(
            name=tag.name,
            slug=tag.slug,
            trained=tag.name in trained,
            film_count=counts.get(tag.name, 0),
        )
        for tag in VOCABULARY
    ]
    return TagPageBody(items=items, next_cursor=None)
