"""Films by what they show: filters, order, pages.

Knows what may be asked; the answer is one SQL statement of `app.db.search`.
"""

from app.db.search import list_films
from app.db.session import Database
from app.db.tags import count_films_by_tag
from app.domain.library import Film, FilmQuery, Page
from app.errors import InvalidRequest

MAX_LIMIT = 200
"""Films on one page."""

MAX_TAGS = 50
"""Tags in one question: the whole vocabulary."""


class SearchService:
    """Looks films up."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def films(self, query: FilmQuery, cursor: str | None = None, limit: int = 50) -> Page[Film]:
        """Return a page of the films that fit.

        Args:
            query: What must hold.
            cursor: Where to go on, as an earlier page of the same question gave it.
            limit: Films on the page, 1 to `MAX_LIMIT`.

        Raises:
            InvalidRequest: The cursor, the limit or the question cannot be understood.
            DatabaseUnavailable: The database does not answer.
        """
        if not 1 <= limit <= MAX_LIMIT:
            raise InvalidRequest(f"limit is 1 to {MAX_LIMIT}, not {limit}")
        if len(query.tags) > MAX_TAGS:
            raise InvalidRequest(f"at most {MAX_TAGS} tags can be asked for at once")
        with self._database.session() as session:
            return list_films(session, query, cursor, limit)

    def tag_counts(self) -> dict[str, int]:
        """Return how many films have each tag; tags that no film has are left out."""
        with self._database.session() as session:
            return count_films_by_tag(session)
