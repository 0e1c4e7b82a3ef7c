"""Calls for what was found in a film, and for what humans say of it."""

from collections.abc import Sequence
from typing import Literal
from urllib.parse import quote

from reeltag.film_calls import film_path
from reeltag.transport import Transport
from reeltag.types import (
    Features,
    Film,
    FilmTag,
    Frame,
    Page,
    Segment,
    SimilarFilm,
    UnsureFrame,
    Verdict,
)

Word = Literal["json", "csv", "nfo", "vtt", "vtt-metadata", "chapters", "edl", "otio"]


class FindingCalls(Transport):
    """What was found in a film."""

    def list_film_tags(
        self,
        film_id: str,
        *,
        min_score: float | None = None,
        limit: int | None = None,
        top_k: int | None = None,
    ) -> Page[FilmTag]:
        """Return a film's tags, best first; with `top_k` weighed anew."""
        params = {"min_score": min_score, "limit": limit, "top_k": top_k}
        return self.page(FilmTag, f"{film_path(film_id)}/tags", params)

    def judge_film_tag(self, film_id: str, tag: str, verdict: str) -> list[FilmTag]:
        """Say ``accepted`` or ``rejected`` of a tag of the whole film; return the tags after it."""
        path = f"{film_path(film_id)}/tags/{quote(tag, safe='')}"
        found = self.send("PUT", path, json={"verdict": verdict}).json()
        return [FilmTag.model_validate(item) for item in found["items"]]

    def list_segments(
        self,
        film_id: str,
        *,
        tag: Sequence[str] = (),
        min_score: float | None = None,
        top_k: int | None = None,
        max_gap_s: float | None = None,
        min_duration_s: float | None = None,
    ) -> Page[Segment]:
        """Return when tags hold in a film; no tag given means all."""
        params = {
            "tag": tag,
            "min_score": min_score,
            "top_k": top_k,
            "max_gap_s": max_gap_s,
            "min_duration_s": min_duration_s,
        }
        return self.page(Segment, f"{film_path(film_id)}/segments", params)

    def list_frames(
        self,
        film_id: str,
        *,
        tag: str | None = None,
        top_k: int | None = None,
        sort: Literal["time_s", "-score"] | None = None,
        cursor: str | None = None,
        limit: int | None = None,
    ) -> Page[Frame]:
        """Return key frames with their first tags, in time order or by the score of `tag`."""
        params = {"tag": tag, "top_k": top_k, "sort": sort, "cursor": cursor, "limit": limit}
        return self.page(Frame, f"{film_path(film_id)}/frames", params)

    def get_frame_image(self, film_id: str, n: int) -> bytes:
        """Return a key frame as JPEG."""
        return self.send("GET", f"{film_path(film_id)}/frames/{n}/image").content

    def explain_frame(self, film_id: str, n: int, tag: str) -> bytes:
        """Return a key frame as JPEG, coloured where it speaks for a tag.

        Raises:
            TagNotTrained: The model that tagged the film does not know the tag.
            ModelUnavailable: That model is gone or damaged.
        """
        return self.send(
            "GET", f"{film_path(film_id)}/frames/{n}/explanation", {"tag": tag}
        ).content

    def get_contact_sheet(
        self,
        film_id: str,
        *,
        tag: str | None = None,
        columns: int | None = None,
        limit: int | None = None,
    ) -> bytes:
        """Return key frames on one JPEG; with `tag` the strongest of that tag, best first."""
        params = {"tag": tag, "columns": columns, "limit": limit}
        return self.send("GET", f"{film_path(film_id)}/contact-sheet", params).content

    def list_review(
        self, *, cursor: str | None = None, limit: int | None = None
    ) -> Page[UnsureFrame]:
        """Return the key frames of all films that the model is least sure of; humans come next."""
        return self.page(UnsureFrame, "/v1/review", {"cursor": cursor, "limit": limit})

    def get_film_features(self, film_id: str) -> Features:
        """Return what the convolutional base saw in the film's key frames.

        Raises:
            FeaturesNotFound: The film is not analysed, or they are gone.
        """
        answer = self.send("GET", f"{film_path(film_id)}/features")
        return Features(base_id=answer.headers["Reeltag-Base-Id"], content=answer.content)

    def list_similar_films(
        self,
        film_id: str,
        *,
        by: Literal["tags", "features"] = "tags",
        cursor: str | None = None,
        limit: int | None = None,
    ) -> Page[SimilarFilm]:
        """Return the films that are most like one, by their tags or by what they look like."""
        params = {"by": by, "cursor": cursor, "limit": limit}
        return self.page(SimilarFilm, f"{film_path(film_id)}/similar", params)

    def export_film(self, film_id: str, format: Word = "json", *, top_k: int | None = None) -> str:
        """Return all that was found in a film as the text of a file."""
        params = {"format": format, "top_k": top_k}
        return self.send("GET", f"{film_path(film_id)}/export", params).content.decode()

    def add_verdict(
        self,
        film_id: str,
        tag: str,
        verdict: str,
        *,
        start_s: float | None = None,
        end_s: float | None = None,
        frame: int | None = None,
    ) -> Verdict:
        """Say ``accepted`` or ``rejected`` of a tag of a film, of a stretch or of a key frame.

        Args:
            film_id: The film.
            tag: The tag's name or slug; accepting one that the model did not find adds it.
            verdict: The last word.
            start_s: Start of the stretch; with `end_s`.
            end_s: End of the stretch.
            frame: Number of the key frame, in place of a stretch.
        """
        body = {"tag": tag, "verdict": verdict, "start_s": start_s, "end_s": end_s, "frame": frame}
        return self.post(Verdict, f"{film_path(film_id)}/verdicts", json=body)

    def list_verdicts(
        self, film_id: str, *, cursor: str | None = None, limit: int | None = None
    ) -> Page[Verdict]:
        """Return everything that humans said of a film, the oldest first."""
        params = {"cursor": cursor, "limit": limit}
        return self.page(Verdict, f"{film_path(film_id)}/verdicts", params)

    def withdraw_verdict(self, film_id: str, verdict_id: str) -> None:
        """Take a verdict back: what the model says is shown again."""
        self.send("DELETE", f"{film_path(film_id)}/verdicts/{quote(verdict_id, safe='')}")

    def clear_model_tags(self, film_id: str) -> Film:
        """Delete what models said of a film; verdicts and the film stay."""
        found = self.send("DELETE", f"{film_path(film_id)}/model-tags")
        return Film.model_validate_json(found.content)
