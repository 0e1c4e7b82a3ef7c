"""What humans say of tags: kept beside what the model said, final, and taken back one by one.

A verdict changes what is shown and searched at once; the model's scores stay as they are, so it can
always be taken back.
"""

from collections.abc import Callable
from typing import TypeVar

from sqlalchemy.orm import Session

from app.db import films as rows
from app.db import frames as frame_rows
from app.db import review as review_rows
from app.db import tags as tag_rows
from app.db import verdicts as verdict_rows
from app.db.segments import replace_segments
from app.domain.cursors import is_storable
from app.domain.findings import StoredFeatures, UnsureFrame, UnsureRow
from app.domain.library import Film, FrameView, Page, Verdict, features_key, film_prefix
from app.domain.shots import Shot
from app.domain.tags import FilmTag, top_tags
from app.domain.verdicts import SAME_FRAME_S, WHOLE_FILM, Scope, Target, VerdictRecord
from app.errors import (
    FeaturesNotFound,
    FilmBusy,
    FilmNotFound,
    InvalidRequest,
    VerdictNotFound,
)
from app.pipeline import summarise
from app.services.contents import FilmContents

Kept = TypeVar("Kept")

MAX_VERDICTS = 200
"""Verdicts on one page."""


class Corrections(FilmContents):
    """Takes what humans say of the tags of films; also reads what films hold."""

    def verdicts(self, film_id: str) -> dict[str, Verdict]:
        """Return what humans said of the film's tags as a whole, by tag name.

        Raises:
            FilmNotFound: No film has this id.
        """
        self.get(film_id)
        with self._database.session() as session:
            return verdict_rows.load_verdicts(session, film_id)

    def list_verdicts(
        self, film_id: str, cursor: str | None = None, limit: int = 50
    ) -> Page[VerdictRecord]:
        """Return everything that humans said of a film, the oldest first.

        Raises:
            FilmNotFound: No film has this id.
            InvalidRequest: The cursor or the limit cannot be understood.
        """
        if not 1 <= limit <= MAX_VERDICTS:
            raise InvalidRequest(f"limit is 1 to {MAX_VERDICTS}, not {limit}")
        self.get(film_id)
        with self._database.session() as session:
            return verdict_rows.list_verdicts(session, film_id, cursor, limit)

    def review(self, cursor: str | None = None, limit: int = 50) -> Page[UnsureFrame]:
        """Return the key frames that the model is least sure of and no human has spoken of.

        Raises:
            InvalidRequest: The cursor or the limit cannot be understood.
        """
        if not 1 <= limit <= MAX_VERDICTS:
            raise InvalidRequest(f"limit is 1 to {MAX_VERDICTS}, not {limit}")
        with self._database.session() as session:
            page = review_rows.list_unsure(session, cursor, limit)
        return Page(tuple(map(self._unsure, page.items)), page.next_cursor)

    def _unsure(self, row: UnsureRow) -> UnsureFrame:
        manifest = self._models.manifest_of(row.model_version)
        frame = row.frame
        tags = top_tags(frame.scores, manifest.tags) if manifest else []
        shot = Shot(frame.shot_start_s, frame.shot_end_s)
        view = FrameView(frame.n, frame.time_s, shot, tuple(tags))
        return UnsureFrame(row.film_id, row.film_title, row.margin, view)

    def stored_features(self, film_id: str) -> StoredFeatures:
        """Return where the features of the film's key frames lie.

        Raises:
            FilmNotFound: No film has this id.
            FeaturesNotFound: It is not analysed, or they are gone.
        """
        film = self.get(film_id)
        if film.shown_run is None or film.base_id is None:
            raise FeaturesNotFound("the film is not analysed")
        key = features_key(film.id, film.shown_run, film.base_id)
        size_bytes = self._storage.size(key)
        if size_bytes is None:
            raise FeaturesNotFound("the film's features are gone; tag it anew")
        return StoredFeatures(key, size_bytes, film.base_id)

    def set_verdict(self, film_id: str, tag: str, verdict: Verdict | None) -> list[FilmTag]:
        """Let a human have the last word on a tag of a film; it outlives every retag.

        Args:
            film_id: The film.
            tag: Name in the vocabulary.
            verdict: The last word; None takes an earlier one back.

        Returns:
            The film's tags after it, best first.

        Raises:
            FilmNotFound: No film has this id.
        """
        self._change(
            film_id,
            lambda session: verdict_rows.store_verdict(session, film_id, tag, verdict),
        )
        return self.tags(film_id)

    def judge(
        self, film_id: str, tag: str, verdict: Verdict, target: Target = WHOLE_FILM
    ) -> VerdictRecord:
        """Let a human have the last word on a tag of a film, of a stretch or of a key frame.

        What was said before of the same tag and the same target is replaced.

        Raises:
            FilmNotFound: No film has this id.
            InvalidRequest: The stretch ends behind the film.
        """
        film = self.get(film_id)
        length_s = film.duration_s
        if target.scope is Scope.SEGMENT and length_s and target.start_s >= length_s:
            raise InvalidRequest(f"the segment starts behind the film, which lasts {length_s:g} s")
        kept = self._change(
            film_id,
            lambda session: verdict_rows.store_verdict(session, film_id, tag, verdict, target),
        )
        if kept is None:
            raise RuntimeError("a verdict that was just stored is not there")
        return kept

    def frame_target(self, film_id: str, n: int) -> Target:
        """Return what a verdict on key frame `n`, as it is numbered now, speaks of.

        Raises:
            FilmNotFound: No film has this id.
            FrameNotFound: The film has no key frame with this number.
        """
        return Target.frame(self.frame(film_id, n).time_s)

    def frame_numbers(self, film_id: str, records: list[VerdictRecord]) -> dict[str, int]:
        """Return, by verdict, the number that its key frame has now; other verdicts are left out.

        A verdict on a frame that the shown run did not look at is left out too.
        """
        film = self.get(film_id)
        wanted = [one for one in records if one.target.scope is Scope.FRAME]
        if film.shown_run is None or not wanted:
            return {}
        with self._database.session() as session:
            known = frame_rows.frame_numbers(session, film_id, film.shown_run)
        return {
            one.id: n
            for one in wanted
            for time_s, n in known
            if abs(time_s - one.target.start_s) < SAME_FRAME_S
        }

    def withdraw(self, film_id: str, verdict_id: str) -> None:
        """Take a verdict back: what the model says is shown again.

        Raises:
            FilmNotFound: No film has this id.
            VerdictNotFound: The film has no verdict with this id.
        """

        def forget(session: Session) -> None:
            found = None
            if is_storable(verdict_id):
                found = verdict_rows.find_verdict(session, film_id, verdict_id)
            if found is None:
                raise VerdictNotFound("the film has no such verdict")
            verdict_rows.store_verdict(session, film_id, found.tag, None, found.target)

        self._change(film_id, forget)

    def clear_model_tags(self, film_id: str) -> Film:
        """Delete all that models said of a film; what humans said stays, and so does the film.

        Raises:
            FilmNotFound: No film has this id.
            FilmBusy: It is being analysed.
        """
        self.get(film_id)
        with self._database.session(write=True) as session:
            held = rows.lock_film(session, film_id)
            if held is None:
                raise FilmNotFound(f"no film has the id {film_id}")
            if not held.status.is_final:
                raise FilmBusy("cancel the film first, or wait for its end")
            frame_rows.forget_runs(session, film_id)
        for folder in ("frames", "features"):
            self._storage.delete_prefix(f"{film_prefix(film_id)}{folder}/")
        return self.get(film_id)

    def _change(self, film_id: str, change: Callable[[Session], Kept]) -> Kept:
        """Change verdicts and, in the same transaction, all that follows from them."""
        while True:
            film = self.get(film_id)
            shots, manifest = self._shown_shots(film)
            tags, segments = ([], []) if manifest is None else summarise(shots, manifest)
            with self._database.session(write=True) as session:
                held = rows.lock_film(session, film_id)
                if held is None:
                    raise FilmNotFound(f"no film has the id {film_id}")
                if held.shown_run != film.shown_run:
                    continue  # a new run was shown meanwhile: its tags are the ones to weigh
                kept = change(session)
                tag_rows.replace_film_tags(session, film_id, tags)
                replace_segments(session, film_id, segments)
                return kept
