"""What a film holds, for readers: tags, segments, key frames, after humans had the last word.

Everything is derived from the stored score rows of the shown run, so an answer for other options
needs no network. A film that is not ready yet answers with what it has, perhaps nothing.
"""

import re
from collections.abc import Iterator, Sequence
from itertools import islice

from app.db import films as rows
from app.db import frames as frame_rows
from app.db import tags as tag_rows
from app.db.session import Database
from app.db.verdicts import load_all_verdicts
from app.domain.aggregation import film_tags
from app.domain.cursors import read_cursor, write_cursor
from app.domain.library import (
    Film,
    FrameSort,
    FrameView,
    KeyFrameRecord,
    Page,
    apply_verdicts,
    score_in,
)
from app.domain.segments import SegmentRules, tag_segments
from app.domain.shots import ScoredShot, Shot
from app.domain.tags import DEFAULT_TOP_K, FilmTag, Segment, top_tags
from app.domain.verdicts import VerdictRecord, apply_to_frame, apply_to_segments
from app.errors import FilmNotFound, FrameNotFound, InvalidRequest, NotFound
from app.pipeline import rules_of
from app.ports import ObjectStore
from app.services.models import ModelService
from models.manifest import Manifest

READ_AT_ONCE = 500
"""Key frames read from the database at once while looking for a tag."""

MAX_LIMIT = 500
"""Key frames on one page."""

_FILM_ID = re.compile(r"[0-9a-f]{32}")


class FilmContents:
    """Reads what was found in films.

    Args:
        database: Where the rows are.
        storage: Where the pictures are.
        models: Knows which tag stands where in a score row.
    """

    def __init__(self, database: Database, storage: ObjectStore, models: ModelService) -> None:
        self._database = database
        self._storage = storage
        self._models = models

    def get(self, film_id: str) -> Film:
        """Return a film.

        Raises:
            FilmNotFound: No film has this id.
        """
        _require_id(film_id)
        with self._database.session() as session:
            film = rows.find_film(session, film_id)
        if film is None:
            raise FilmNotFound(f"no film has the id {film_id}")
        return film

    def tags(
        self,
        film_id: str,
        min_score: float = 0.0,
        limit: int | None = None,
        top_k: int | None = None,
    ) -> list[FilmTag]:
        """Return the tags that hold for a film, best first, after humans had the last word.

        Args:
            film_id: The film.
            min_score: Leave out weaker ones, in [0, 1].
            limit: At most so many.
            top_k: Weigh them anew, as if each shot spoke with its first `top_k` tags; None takes
                them as they were stored.

        Raises:
            FilmNotFound: No film has this id.
        """
        film = self.get(film_id)
        with self._database.session() as session:
            if top_k is None:
                found = tag_rows.load_film_tags(session, film_id)
            else:
                verdicts = tag_rows.load_verdicts(session, film_id)
        if top_k is not None:
            found = apply_verdicts(self._derived_tags(film, top_k), verdicts)
        return [tag for tag in found if tag.score >= min_score][:limit]

    def segments(
        self,
        film_id: str,
        tags: Sequence[str] | None = None,
        rules: SegmentRules | None = None,
    ) -> list[Segment]:
        """Return the stretches where tags hold, by start, after humans had the last word.

        Args:
            film_id: The film.
            tags: Names of the tags to look for; None means all.
            rules: What makes a segment.

        Raises:
            FilmNotFound: No film has this id.
        """
        film = self.get(film_id)
        with self._database.session() as session:
            verdicts = load_all_verdicts(session, film_id)
        return apply_to_segments(self._derived_segments(film, tags, rules), verdicts, tags)

    def frames(
        self,
        film_id: str,
        tag: str | None = None,
        cursor: str | None = None,
        limit: int = 100,
        top_k: int = DEFAULT_TOP_K,
        sort: FrameSort = "time_s",
    ) -> Page[FrameView]:
        """Return key frames with their first tags, after humans had the last word.

        Args:
            film_id: The film.
            tag: Only frames that have this tag among those shown.
            cursor: Where to go on, as an earlier page gave it.
            limit: Frames on the page, 1 to `MAX_LIMIT`.
            top_k: Tags of each frame that the model gave; those of humans come first.
            sort: In time order, or the strongest frames of `tag` first.

        Raises:
            FilmNotFound: No film has this id.
            InvalidRequest: The cursor or the limit cannot be understood, or `sort` needs a tag.
        """
        if not 1 <= limit <= MAX_LIMIT:
            raise InvalidRequest(f"limit is 1 to {MAX_LIMIT}, not {limit}")
        if sort == "-score" and tag is None:
            raise InvalidRequest("sort=-score needs a tag")
        first = 0 if cursor is None else int(read_cursor(cursor, [int])[0])
        if not 0 <= first < 2**31:
            raise InvalidRequest("the cursor was not given by this list")
        film = self.get(film_id)
        if sort == "time_s":  # the cursor is the number of the next frame
            found = list(islice(self._views(film, tag, top_k, first), limit + 1))
            goes_on = found[limit].n if len(found) > limit else None
        else:  # the cursor is its place in the order
            by_score = sorted(self._views(film, tag, top_k), key=lambda v: (-score_in(v, tag), v.n))
            found = by_score[first : first + limit + 1]
            goes_on = first + limit if len(found) > limit else None
        return Page(tuple(found[:limit]), None if goes_on is None else write_cursor([goes_on]))

    def frame(self, film_id: str, n: int) -> KeyFrameRecord:
        """Return one key frame with its full score row.

        Raises:
            FilmNotFound: No film has this id.
            FrameNotFound: The film has no key frame with this number.
        """
        film = self.get(film_id)
        record = None
        if film.shown_run is not None and 0 <= n < 2**31:
            with self._database.session() as session:
                record = frame_rows.find_frame(session, film_id, film.shown_run, n)
        if record is None:
            raise FrameNotFound(f"the film has no key frame {n}")
        return record

    def frame_image(self, film_id: str, n: int) -> bytes:
        """Return the JPEG of a key frame.

        Raises:
            FilmNotFound: No film has this id.
            FrameNotFound: The film has no key frame with this number.
        """
        record = self.frame(film_id, n)
        try:
            return self._storage.get_bytes(record.thumbnail_key)
        except NotFound:
            newer = self.frame(film_id, n)  # a new run may have replaced it meanwhile
        try:
            return self._storage.get_bytes(newer.thumbnail_key)
        except NotFound as exc:
            raise FrameNotFound(f"the picture of key frame {n} is gone") from exc

    def _views(
        self, film: Film, tag: str | None, top_k: int, first: int = 0
    ) -> Iterator[FrameView]:
        """Give the key frames that are shown with `tag`, None: all, from number `first` on."""
        manifest = self._models.manifest_of(film.model_version)
        if film.shown_run is None or manifest is None:
            return
        with self._database.session() as session:
            verdicts = load_all_verdicts(session, film.id)
        records = None
        while records is None or len(records) == READ_AT_ONCE:
            with self._database.session() as session:
                records = frame_rows.list_frames(
                    session, film.id, film.shown_run, first=first, limit=READ_AT_ONCE
                )
            for record in records:
                view = _view(record, manifest, top_k, verdicts)
                if tag is None or any(score.tag == tag for score in view.tags):
                    yield view
                first = record.n + 1

    def _derived_tags(self, film: Film, top_k: int) -> list[FilmTag]:
        shots, manifest = self._shown_shots(film)
        if manifest is None:
            return []
        return film_tags(shots, manifest.tags, rules_of(manifest, top_k))

    def _derived_segments(
        self, film: Film, tags: Sequence[str] | None, rules: SegmentRules | None
    ) -> list[Segment]:
        shots, manifest = self._shown_shots(film)
        if manifest is None:
            return []
        return tag_segments(shots, manifest.tags, rules or SegmentRules(), tags)

    def _shown_shots(self, film: Film) -> tuple[list[ScoredShot], Manifest | None]:
        manifest = self._models.manifest_of(film.model_version)
        if film.shown_run is None or manifest is None:
            return [], None
        with self._database.session() as session:
            return frame_rows.load_scored_shots(session, film.id, film.shown_run), manifest


def _require_id(film_id: str) -> None:
    if not _FILM_ID.fullmatch(film_id):
        raise FilmNotFound("no film has such an id")


def _view(
    record: KeyFrameRecord, manifest: Manifest, top_k: int, verdicts: Sequence[VerdictRecord]
) -> FrameView:
    shot = Shot(record.shot_start_s, record.shot_end_s)
    tags = top_tags(record.scores, manifest.tags, top_k)
    return FrameView(record.n, record.time_s, shot, apply_to_frame(tags, record.time_s, verdicts))
