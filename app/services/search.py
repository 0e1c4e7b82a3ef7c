"""The library by what it shows: films, segments, likeness, counts; filters, order, pages.

Knows what may be asked; the answers are SQL statements of `app.db`.
"""

from app.db import counts, segments, similar
from app.db.films import find_film
from app.db.search import list_films
from app.db.session import Database
from app.domain.cursors import is_storable
from app.domain.findings import (
    FoundSegment,
    Interval,
    Likeness,
    SegmentQuery,
    SimilarFilm,
    TimelineEntry,
)
from app.domain.library import Film, FilmQuery, Page
from app.errors import FilmNotFound, InvalidRequest

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
        _require_limit(limit)
        _require_few_tags(query)
        with self._database.session() as session:
            return list_films(session, query, cursor, limit)

    def tag_counts(self, query: FilmQuery | None = None) -> dict[str, int]:
        """Return for each tag how many of the films that fit have it; unused tags are left out.

        With a strength asked for, a tag counts where it has that strength itself: the number is
        what `films` finds when the tag is asked for too.
        """
        if query is not None:
            _require_few_tags(query)
        with self._database.session() as session:
            return counts.count_films_by_tag(session, query)

    def timeline(
        self,
        query: FilmQuery,
        interval: Interval = "month",
        cursor: str | None = None,
        limit: int = 50,
    ) -> Page[TimelineEntry]:
        """Return how often tags stand among the films that arrived in each stretch of time.

        Raises:
            InvalidRequest: The cursor, the limit or the question cannot be understood.
        """
        _require_limit(limit)
        _require_few_tags(query)
        with self._database.session() as session:
            return counts.tag_timeline(session, query, interval, cursor, limit)

    def segments(
        self, query: SegmentQuery, cursor: str | None = None, limit: int = 50
    ) -> Page[FoundSegment]:
        """Return where in the library a tag holds.

        Raises:
            InvalidRequest: The cursor or the limit cannot be understood.
        """
        _require_limit(limit)
        with self._database.session() as session:
            return segments.list_segments(session, query, cursor, limit)

    def similar(
        self, film_id: str, by: Likeness = "tags", cursor: str | None = None, limit: int = 20
    ) -> Page[SimilarFilm]:
        """Return the films that are most like one, the most similar first.

        Args:
            film_id: The film.
            by: Compare the scores of tags, or the mean features of key frames.
            cursor: Where to go on, as an earlier page of the same question gave it.
            limit: Films on the page, 1 to `MAX_LIMIT`.

        Raises:
            FilmNotFound: No film has this id.
            InvalidRequest: The cursor or the limit cannot be understood.
        """
        _require_limit(limit)
        with self._database.session() as session:
            if not is_storable(film_id) or find_film(session, film_id) is None:
                raise FilmNotFound("no film has such an id")
            if by == "features":
                return similar.similar_by_features(session, film_id, cursor, limit)
            return similar.similar_by_tags(session, film_id, cursor, limit)


def _require_limit(limit: int) -> None:
    if not 1 <= limit <= MAX_LIMIT:
        raise InvalidRequest(f"limit is 1 to {MAX_LIMIT}, not {limit}")


def _require_few_tags(query: FilmQuery) -> None:
    if max(map(len, (query.tags, query.any_tags, query.not_tags))) > MAX_TAGS:
        raise InvalidRequest(f"at most {MAX_TAGS} tags can be asked for at once")
