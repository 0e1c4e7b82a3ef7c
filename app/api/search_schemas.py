"""The JSON bodies of what is found in the whole library, and of verdicts."""

from datetime import date, datetime
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from app.api.schemas import FilmBody, ShotBody, TagScoreBody
from app.domain.findings import FoundSegment, TimelineEntry, UnsureFrame
from app.domain.library import Verdict
from app.domain.verdicts import Scope, VerdictRecord
from models.vocabulary import slug_of


class FoundSegmentBody(BaseModel):
    """A segment and the film it lies in, `[start_s, end_s)`."""

    film_id: str
    film_title: str
    tag: str
    start_s: float
    end_s: float
    score: float = Field(ge=0, le=1)
    source: Literal["model", "human"] = Field(description="Who says so.")

    @classmethod
    def of(cls, found: FoundSegment) -> "FoundSegmentBody":
        """Build the body of `found`."""
        one = found.segment
        return cls(
            film_id=found.film_id,
            film_title=found.film_title,
            tag=one.tag,
            start_s=one.start_s,
            end_s=one.end_s,
            score=one.score,
            source=one.source,
        )


class FoundSegmentPageBody(BaseModel):
    """Segments of all films, in the order that was asked for."""

    items: list[FoundSegmentBody]
    next_cursor: str | None


class SimilarFilmBody(BaseModel):
    """A film and how like another it is."""

    film: FilmBody
    similarity: float = Field(ge=0, le=1, description="Cosine; 1: the same direction.")


class SimilarFilmPageBody(BaseModel):
    """Films, the most similar first."""

    items: list[SimilarFilmBody]
    next_cursor: str | None


class TimelineBody(BaseModel):
    """A tag among the films that arrived in one stretch of time."""

    start: date = Field(description="First day of the stretch, UTC.")
    tag: str
    slug: str
    film_count: int = Field(description="Films of the stretch that have the tag.")
    coverage_s: float = Field(description="Seconds that it covers in them.")

    @classmethod
    def of(cls, entry: TimelineEntry) -> "TimelineBody":
        """Build the body of `entry`."""
        return cls(
            start=date.fromisoformat(entry.start),
            tag=entry.tag,
            slug=slug_of(entry.tag),
            film_count=entry.film_count,
            coverage_s=entry.coverage_s,
        )


class TimelinePageBody(BaseModel):
    """Tags over time, by start and then by tag."""

    items: list[TimelineBody]
    next_cursor: str | None


class NewVerdictBody(BaseModel):
    """What a human says of a tag of a film, of a stretch of it, or of one key frame."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "example": {"tag": "war", "verdict": "rejected", "start_s": 12.0, "end_s": 20.5}
        },
    )

    tag: str = Field(description="The tag's name or slug.", max_length=80)
    verdict: Verdict
    start_s: float | None = Field(
        None, ge=0, le=1e7, description="Start of the stretch; with `end_s`."
    )
    end_s: float | None = Field(None, gt=0, le=1e7, description="End of the stretch.")
    frame: int | None = Field(None, ge=0, description="Number of the key frame, alone.")

    @model_validator(mode="after")
    def _names_one_target(self) -> Self:
        if (self.start_s is None) != (self.end_s is None):
            raise ValueError("start_s and end_s come together")
        if self.start_s is not None and self.end_s is not None and self.end_s <= self.start_s:
            raise ValueError("end_s is behind start_s")
        if self.frame is not None and self.start_s is not None:
            raise ValueError("a verdict is on a segment or on a frame, not on both")
        return self


class StoredVerdictBody(BaseModel):
    """A verdict as it is kept; final until it is taken back."""

    id: str = Field(description="Ids sort by the time of the verdict.")
    tag: str
    slug: str
    verdict: Verdict
    scope: Scope
    start_s: float | None = Field(description="Start of the stretch; null for film and frame.")
    end_s: float | None = Field(description="End of the stretch; null for film and frame.")
    time_s: float | None = Field(description="The key frame's time; null for film and segment.")
    frame: int | None = Field(
        description="The key frame's number now; null: the tags shown now come from other frames."
    )
    created_at: datetime

    @classmethod
    def of(cls, record: VerdictRecord, frame: int | None) -> "StoredVerdictBody":
        """Build the body of `record`."""
        target = record.target
        is_segment, is_frame = target.scope is Scope.SEGMENT, target.scope is Scope.FRAME
        return cls(
            id=record.id,
            tag=record.tag,
            slug=slug_of(record.tag),
            verdict=record.verdict,
            scope=target.scope,
            start_s=target.start_s if is_segment else None,
            end_s=target.end_s if is_segment else None,
            time_s=target.start_s if is_frame else None,
            frame=frame,
            created_at=record.created_at,
        )


class StoredVerdictPageBody(BaseModel):
    """Verdicts on a film, the oldest first."""

    items: list[StoredVerdictBody]
    next_cursor: str | None


class UnsureFrameBody(BaseModel):
    """A key frame that the model is unsure of, and the film it lies in."""

    film_id: str
    film_title: str
    margin: float = Field(description="Best score less the second best.")
    n: int = Field(description="Number of the key frame, from 0.")
    time_s: float
    shot: ShotBody
    tags: list[TagScoreBody] = Field(description="Its first tags, best first.")
    image_url: str

    @classmethod
    def of(cls, found: UnsureFrame) -> "UnsureFrameBody":
        """Build the body of `found`."""
        frame = found.frame
        return cls(
            film_id=found.film_id,
            film_title=found.film_title,
            margin=found.margin,
            n=frame.n,
            time_s=frame.time_s,
            shot=ShotBody(start_s=frame.shot.start_s, end_s=frame.shot.end_s),
            tags=[TagScoreBody.of(tag) for tag in frame.tags],
            image_url=f"/v1/films/{found.film_id}/frames/{frame.n}/image",
        )


class UnsureFramePageBody(BaseModel):
    """Key frames of all films, the least sure first."""

    items: list[UnsureFrameBody]
    next_cursor: str | None
