"""The JSON bodies of the REST interface, and how they are made from the domain's values.

Knows names and examples on the wire; not where a value came from.
"""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from app.domain.films import FilmStatus, Stage
from app.domain.library import Film
from app.domain.tags import FilmTag, Segment, TagScore
from models.vocabulary import slug_of

FILM_EXAMPLE: JsonValue = {
    "id": "019392b1c0de7a55b1a4f1c2d3e4f506",
    "title": "A day by the sea",
    "filename": "sea.mp4",
    "status": "running",
    "progress": 0.42,
    "stage": "analysing",
    "duration_s": 5400.04,
    "model_version": None,
    "error": None,
    "warnings": [],
    "created_at": "2026-11-23T12:00:00Z",
    "updated_at": "2026-11-23T12:01:07Z",
    "analysed_at": None,
    "sampling": "shots",
    "size_bytes": 734003200,
    "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "width_px": 1920,
    "height_px": 1080,
}


class FilmError(BaseModel):
    """Why the last analysis of a film failed."""

    code: str = Field(description="Stable word; listed in docs/api.md.", examples=["not_a_video"])
    detail: str = Field(description="What happened, for people.")


class FilmBody(BaseModel):
    """A film and where it stands."""

    model_config = ConfigDict(json_schema_extra={"example": FILM_EXAMPLE})

    id: str = Field(description="Ids sort by the time films arrived.")
    title: str
    filename: str = Field(description="The name the file had, without folders.")
    status: FilmStatus
    progress: float = Field(ge=0, le=1, description="Share of the analysis that is done.")
    stage: Stage = Field(description="What the worker is doing.")
    duration_s: float | None = Field(description="Length; null while not known.")
    model_version: str | None = Field(description="The model whose tags are shown; null: none yet.")
    error: FilmError | None = Field(description="Only where status is failed.")
    warnings: list[str] = Field(description="What a person should know of the file.")
    created_at: datetime = Field(description="When the film arrived, UTC.")
    updated_at: datetime = Field(description="When anything of the film changed last, UTC.")
    analysed_at: datetime | None = Field(description="When the tags that are shown were made, UTC.")
    sampling: str = Field(description="Which frames are looked at.")
    size_bytes: int
    sha256: str = Field(description="Of the file, hexadecimal; no two films have the same.")
    width_px: int | None
    height_px: int | None

    @classmethod
    def of(cls, film: Film) -> "FilmBody":
        """Build the body of `film`."""
        error = None
        if film.error_code is not None:
            error = FilmError(code=film.error_code, detail=film.error_detail or "")
        return cls(
            id=film.id,
            title=film.title,
            filename=film.filename,
            status=film.status,
            progress=film.progress,
            stage=film.stage,
            duration_s=film.duration_s,
            model_version=film.model_version,
            error=error,
            warnings=list(film.warnings),
            created_at=film.created_at,
            updated_at=film.updated_at,
            analysed_at=film.analysed_at,
            sampling=str(film.sampling),
            size_bytes=film.size_bytes,
            sha256=film.sha256,
            width_px=film.width_px,
            height_px=film.height_px,
        )


class AcceptedFilm(BaseModel):
    """A film that was taken and waits for its analysis."""

    id: str
    status: FilmStatus


class FilmPageBody(BaseModel):
    """Some films, and the way to the next ones."""

    items: list[FilmBody]
    next_cursor: str | None = Field(
        description="Given back as `cursor`; null: this is the last page."
    )


class FilmTagBody(BaseModel):
    """A tag that holds for a film."""

    tag: str = Field(examples=["Beach/Sea"])
    slug: str = Field(examples=["beach-sea"])
    score: float = Field(ge=0, le=1)
    coverage_s: float = Field(description="Seconds of the shots that hold the tag.")
    shot_count: int = Field(description="Number of those shots.")
    first_s: float | None = Field(
        description="Start of the first of them; null: the model saw none."
    )
    source: Literal["model", "human"] = Field(description="Who says so.")

    @classmethod
    def of(cls, tag: FilmTag) -> "FilmTagBody":
        """Build the body of `tag`."""
        return cls(
            tag=tag.tag,
            slug=slug_of(tag.tag),
            score=tag.score,
            coverage_s=tag.coverage_s,
            shot_count=tag.shot_count,
            first_s=tag.first_s,
            source=tag.source,
        )


class FilmTagPageBody(BaseModel):
    """Tags of a film, best first."""

    items: list[FilmTagBody]
    next_cursor: str | None = Field(description="Always null: tags of a film fit on one page.")


class SegmentBody(BaseModel):
    """A stretch of a film where a tag holds, `[start_s, end_s)`."""

    tag: str
    start_s: float
    end_s: float
    score: float = Field(ge=0, le=1)
    source: Literal["model", "human"] = Field(description="Who says so.")

    @classmethod
    def of(cls, segment: Segment) -> "SegmentBody":
        """Build the body of `segment`."""
        return cls(
            tag=segment.tag,
            start_s=segment.start_s,
            end_s=segment.end_s,
            score=segment.score,
            source=segment.source,
        )


class SegmentPageBody(BaseModel):
    """Segments of a film in the order of their start."""

    items: list[SegmentBody]
    next_cursor: str | None = Field(description="Always null: segments come on one page.")


class ShotBody(BaseModel):
    """A shot, `[start_s, end_s)`."""

    start_s: float
    end_s: float


class TagScoreBody(BaseModel):
    """A tag and how sure the model, or the human who accepted it, is of it."""

    tag: str
    score: float = Field(ge=0, le=1)
    source: Literal["model", "human"] = Field(description="Who says so.")

    @classmethod
    def of(cls, tag: TagScore) -> "TagScoreBody":
        """Build the body of `tag`."""
        return cls(tag=tag.tag, score=tag.score, source=tag.source)


class FrameBody(BaseModel):
    """A key frame: a picture that speaks for its shot."""

    n: int = Field(description="Number within the film in time order, from 0.")
    time_s: float = Field(description="Presentation time.")
    shot: ShotBody
    tags: list[TagScoreBody] = Field(description="Its first tags, best first.")
    image_url: str = Field(description="Path of the picture.")


class FramePageBody(BaseModel):
    """Key frames in time order."""

    items: list[FrameBody]
    next_cursor: str | None


class TagBody(BaseModel):
    """A word of the vocabulary."""

    name: str = Field(examples=["Beach/Sea"])
    slug: str = Field(description="What can stand in a URL.", examples=["beach-sea"])
    trained: bool = Field(description="Whether the active model can find it.")
    film_count: int = Field(description="Films that have it.")


class TagPageBody(BaseModel):
    """The vocabulary."""

    items: list[TagBody]
    next_cursor: str | None = Field(description="Always null: the vocabulary fits on one page.")


class ModelBody(BaseModel):
    """A model that this library knows."""

    version: str
    active: bool = Field(description="Whether new analyses use it.")
    tags: list[str] = Field(description="The trained tags, in the order of a score row.")
    base_id: str = Field(description="Models of the same base can share stored features.")
    width_px: int = Field(description="Width of the network's input.")
    height_px: int = Field(description="Height of the network's input.")
    metrics: dict[str, float | None] = Field(description="Figures on the test split.")
    licence: str = Field(description="Terms of the weights.")
    created_at: str = Field(description="When it was trained.")


class ModelPageBody(BaseModel):
    """The models of this library, the newest first."""

    items: list[ModelBody]
    next_cursor: str | None = Field(description="Always null: models fit on one page.")


class RetagBody(BaseModel):
    """Which films are to be tagged anew."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"example": {"stale": True, "limit": 1000}}
    )

    stale: bool = Field(
        description="True: only films that show another model's tags than the active one's. "
        "False: all films."
    )
    model: str | None = Field(
        default=None, max_length=80, description="Only films that show this model's tags."
    )
    cursor: str | None = Field(
        default=None, max_length=500, description="As an earlier answer gave it."
    )
    limit: int = Field(default=1000, ge=1, le=10_000, description="Most films that are queued.")


class RetagReportBody(BaseModel):
    """What was queued."""

    model_version: str = Field(description="The model that the films will be tagged with.")
    queued: int
    from_features: int = Field(
        description="Those of them whose stored features are scored: nothing is decoded."
    )
    next_cursor: str | None = Field(description="null: every film was looked at.")


class VerdictBody(BaseModel):
    """What a human says of a tag of a film."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"example": {"verdict": "rejected"}}
    )

    verdict: Literal["accepted", "rejected"]


class HealthBody(BaseModel):
    """The process answers."""

    status: Literal["ok"]
    version: str


class ReadyBody(BaseModel):
    """The process can work: everything it stands on is there."""

    status: Literal["ready"]
    checks: dict[str, str]
