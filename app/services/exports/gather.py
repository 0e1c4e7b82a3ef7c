"""Collects what an export is made of from the service that reads films."""

from app.domain.library import FrameView
from app.domain.segments import SegmentRules
from app.domain.tags import DEFAULT_TOP_K
from app.services.contents import FilmContents
from app.services.exports.content import Findings

FRAMES_AT_ONCE = 200
"""Key frames asked for at once."""


def gather(films: FilmContents, film_id: str, top_k: int = DEFAULT_TOP_K) -> Findings:
    """Return all that was found in a film, after humans had the last word.

    Raises:
        FilmNotFound: No film has this id.
    """
    film = films.get(film_id)
    segments = films.segments(film_id, None, SegmentRules(top_k))
    tags = films.tags(film_id, top_k=top_k)
    frames: list[FrameView] = []
    cursor = None
    while True:
        page = films.frames(film_id, tag=None, cursor=cursor, limit=FRAMES_AT_ONCE, top_k=top_k)
        frames += page.items
        cursor = page.next_cursor
        if cursor is None:
            return Findings(film, tags, segments, frames)
