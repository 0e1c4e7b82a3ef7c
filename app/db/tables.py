"""The tables, once, for SQLite and PostgreSQL alike.

Knows columns and indexes; not who may change what when. `migrations/` brings an existing database
here; a test compares the two.
"""

from datetime import UTC, datetime
from typing import Any, ClassVar

from sqlalchemy import (
    JSON,
    BigInteger,
    DateTime,
    Double,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    LargeBinary,
    MetaData,
    String,
    Text,
    TypeDecorator,
    UniqueConstraint,
)
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}
"""Constraints are named, so that a migration can change them on both databases."""


class UtcDateTime(TypeDecorator[datetime]):
    """A moment in UTC; SQLite stores it without its zone and gives it back with it."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuse a naive moment, turn others into UTC."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a moment needs its time zone")
        return value.astimezone(UTC)

    def process_result_value(self, value: Any | None, dialect: Dialect) -> datetime | None:  # noqa: ANN401
        """Give the zone back to what SQLite stored without it."""
        if value is None:
            return None
        moment: datetime = value
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


class Table(DeclarativeBase):
    """Root of all tables."""

    metadata = MetaData(naming_convention=NAMES)
    type_annotation_map: ClassVar = {float: Double}


class FilmRow(Table):
    """A film and where it stands.

    `run` counts analyses: each upload or retag starts the next one. The rows of `shown_run` are
    what readers see; they stay until a later run is complete, so a retag never empties a film.
    """

    __tablename__ = "films"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    """UUIDv7 in hex: ids sort by the time a film arrived."""
    sha256: Mapped[str] = mapped_column(String(64), unique=True)
    title: Mapped[str] = mapped_column(Text)
    filename: Mapped[str] = mapped_column(Text)
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    source_key: Mapped[str] = mapped_column(Text)
    sampling: Mapped[str] = mapped_column(String(32))
    status: Mapped[str] = mapped_column(String(16))
    stage: Mapped[str] = mapped_column(String(16))
    progress: Mapped[float]
    run: Mapped[int]
    shown_run: Mapped[int | None]
    model_version: Mapped[str | None] = mapped_column(String(80))
    """The model whose scores are shown."""
    base_id: Mapped[str | None] = mapped_column(String(64))
    """The convolutional base whose features are stored."""
    duration_s: Mapped[float | None]
    width_px: Mapped[int | None]
    height_px: Mapped[int | None]
    frame_rate: Mapped[float | None]
    codec: Mapped[str | None] = mapped_column(String(32))
    container: Mapped[str | None] = mapped_column(String(32))
    error_code: Mapped[str | None] = mapped_column(String(64))
    error_detail: Mapped[str | None] = mapped_column(Text)
    warnings: Mapped[list[str]] = mapped_column(JSON)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)
    analysed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    key_id: Mapped[str | None] = mapped_column(String(32), index=True)
    """The API key that uploaded it; keys are never deleted. Null: none was needed."""

    __table_args__ = (
        Index("ix_films_created_at_id", "created_at", "id"),
        Index("ix_films_model_version_id", "model_version", "id"),
        Index("ix_films_status_id", "status", "id"),
        Index("ix_films_title_id", "title", "id"),
    )


class ChunkRow(Table):
    """A finished stretch of a run: its rows exist exactly when this one does."""

    __tablename__ = "chunks"

    film_id: Mapped[str] = mapped_column(
        ForeignKey("films.id", ondelete="CASCADE"), primary_key=True
    )
    run: Mapped[int] = mapped_column(primary_key=True)
    chunk: Mapped[int] = mapped_column(primary_key=True)
    start_s: Mapped[float]
    end_s: Mapped[float | None]
    read_end_s: Mapped[float]
    """End of the last frame that was read."""
    frame_count: Mapped[int]
    corrupt_count: Mapped[int]
    warnings: Mapped[list[str]] = mapped_column(JSON)
    executor_id: Mapped[str] = mapped_column(Text)
    finished_at: Mapped[datetime] = mapped_column(UtcDateTime)


class ShotRow(Table):
    """A shot of a run."""

    __tablename__ = "shots"

    film_id: Mapped[str] = mapped_column(String(32), primary_key=True)
    run: Mapped[int] = mapped_column(primary_key=True)
    chunk: Mapped[int] = mapped_column(primary_key=True)
    shot: Mapped[int] = mapped_column(primary_key=True)
    """Place within the chunk, from 0."""
    start_s: Mapped[float]
    end_s: Mapped[float]

    __table_args__ = (
        ForeignKeyConstraint(
            ["film_id", "run", "chunk"],
            ["chunks.film_id", "chunks.run", "chunks.chunk"],
            ondelete="CASCADE",
        ),
    )


class FrameRow(Table):
    """A key frame of a shot with its full score row; picture and features lie in the storage."""

    __tablename__ = "frames"

    film_id: Mapped[str] = mapped_column(String(32), primary_key=True)
    run: Mapped[int] = mapped_column(primary_key=True)
    chunk: Mapped[int] = mapped_column(primary_key=True)
    place: Mapped[int] = mapped_column(primary_key=True)
    """Place within the chunk, from 0; also the row of the chunk's feature object."""
    shot: Mapped[int]
    n: Mapped[int | None]
    """Number within the film in time order, from 0; given when the run is complete."""
    time_s: Mapped[float]
    scores: Mapped[bytes] = mapped_column(LargeBinary)
    """`(tags,)` float32, little-endian, in the order of the model's trained tags."""
    thumbnail_key: Mapped[str] = mapped_column(Text)
    margin: Mapped[float | None]
    """Best score less the second best; small: the model is unsure. Null: not known."""

    __table_args__ = (
        ForeignKeyConstraint(
            ["film_id", "run", "chunk", "shot"],
            ["shots.film_id", "shots.run", "shots.chunk", "shots.shot"],
            ondelete="CASCADE",
        ),
        Index("ix_frames_film_id_run_n", "film_id", "run", "n"),
        Index("ix_frames_film_id_run_chunk_shot", "film_id", "run", "chunk", "shot"),
        Index("ix_frames_margin_film_id_n", "margin", "film_id", "n"),
    )


class FilmTagRow(Table):
    """A tag that holds for a film, of the shown run."""

    __tablename__ = "film_tags"

    film_id: Mapped[str] = mapped_column(
        ForeignKey("films.id", ondelete="CASCADE"), primary_key=True
    )
    tag: Mapped[str] = mapped_column(String(40), primary_key=True)
    source: Mapped[str] = mapped_column(String(8))
    score: Mapped[float]
    coverage_s: Mapped[float]
    shot_count: Mapped[int]
    first_s: Mapped[float | None]

    __table_args__ = (
        Index("ix_film_tags_tag_score_film_id", "tag", "score", "film_id"),
        Index("ix_film_tags_tag_coverage_s_film_id", "tag", "coverage_s", "film_id"),
        Index("ix_film_tags_tag_film_id", "tag", "film_id"),
    )


class SegmentRow(Table):
    """Where a tag holds in a film by the rules everybody starts with; what searches look through.

    Follows from the shown run's score rows and the verdicts; written whenever one of them changes.
    """

    __tablename__ = "segments"

    film_id: Mapped[str] = mapped_column(
        ForeignKey("films.id", ondelete="CASCADE"), primary_key=True
    )
    place: Mapped[int] = mapped_column(primary_key=True)
    """Place within the film by start, from 0."""
    tag: Mapped[str] = mapped_column(String(40))
    source: Mapped[str] = mapped_column(String(8))
    start_s: Mapped[float]
    end_s: Mapped[float]
    score: Mapped[float]

    __table_args__ = (
        Index("ix_segments_tag_score_film_id_place", "tag", "score", "film_id", "place"),
        Index("ix_segments_tag_film_id_place", "tag", "film_id", "place"),
    )


class FilmFeaturesRow(Table):
    """What a film looks like as a whole: the direction of its key frames' mean features."""

    __tablename__ = "film_features"

    film_id: Mapped[str] = mapped_column(
        ForeignKey("films.id", ondelete="CASCADE"), primary_key=True
    )
    base_id: Mapped[str] = mapped_column(String(64))
    """Only features of the same base can be compared."""
    mean: Mapped[bytes] = mapped_column(LargeBinary)
    """`(feature_size,)` float16, little-endian, of length 1."""

    __table_args__ = (Index("ix_film_features_base_id_film_id", "base_id", "film_id"),)


class VerdictRow(Table):
    """What a human said of a tag of a film, of a stretch or a key frame; survives every retag."""

    __tablename__ = "verdicts"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    """UUIDv7 in hex: ids sort by the time of the verdict."""
    film_id: Mapped[str] = mapped_column(ForeignKey("films.id", ondelete="CASCADE"))
    tag: Mapped[str] = mapped_column(String(40))
    scope: Mapped[str] = mapped_column(String(8))
    """``film``, ``segment`` or ``frame``."""
    start_s: Mapped[float]
    """Start of the stretch, time of the key frame, 0 for a film."""
    end_s: Mapped[float]
    verdict: Mapped[str] = mapped_column(String(8))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)

    __table_args__ = (UniqueConstraint("film_id", "tag", "scope", "start_s", "end_s"),)


class ModelRow(Table):
    """A model the library knows; at most one is active."""

    __tablename__ = "models"

    version: Mapped[str] = mapped_column(String(80), primary_key=True)
    path: Mapped[str] = mapped_column(Text)
    manifest: Mapped[dict[str, Any]] = mapped_column(JSON)
    active: Mapped[bool]
    added_at: Mapped[datetime] = mapped_column(UtcDateTime)


class WorkerRow(Table):
    """A worker process and its last sign of life, by the database's clock."""

    __tablename__ = "workers"

    executor_id: Mapped[str] = mapped_column(String(80), primary_key=True)
    host: Mapped[str] = mapped_column(Text)
    started_at: Mapped[datetime] = mapped_column(UtcDateTime)
    beat_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)


class AttemptRow(Table):
    """A try at a piece of a run that has not ended; one left behind cost its worker's life."""

    __tablename__ = "attempts"

    film_id: Mapped[str] = mapped_column(
        ForeignKey("films.id", ondelete="CASCADE"), primary_key=True
    )
    run: Mapped[int] = mapped_column(primary_key=True)
    chunk: Mapped[int] = mapped_column(primary_key=True)
    """-1 stands for the probe, -2 for the finish."""
    executor_id: Mapped[str] = mapped_column(String(80), primary_key=True)
    started_at: Mapped[datetime] = mapped_column(UtcDateTime)


class ApiKeyRow(Table):
    """An API key: what it may do, not its secret."""

    __tablename__ = "api_keys"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    name: Mapped[str] = mapped_column(Text)
    digest: Mapped[str] = mapped_column(String(64), unique=True)
    """SHA-256 of the secret, in hexadecimal."""
    scope: Mapped[str] = mapped_column(String(8))
    max_bytes: Mapped[int | None] = mapped_column(BigInteger)
    max_films: Mapped[int | None] = mapped_column(BigInteger)
    max_uploads: Mapped[int | None] = mapped_column(BigInteger)
    requests_per_min: Mapped[int | None] = mapped_column(BigInteger)
    next_request_s: Mapped[float]
    """When the next request would come if they came evenly, seconds since the epoch."""
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    revoked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    last_used_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class UploadSlotRow(Table):
    """A request that sends a film for a key; one left behind by a dead process expires."""

    __tablename__ = "upload_slots"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    key_id: Mapped[str] = mapped_column(ForeignKey("api_keys.id", ondelete="CASCADE"), index=True)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)


class IdempotencyRow(Table):
    """A request that may be sent again: being answered while `answer` is null."""

    __tablename__ = "idempotency"

    caller: Mapped[str] = mapped_column(String(32), primary_key=True)
    """The key's id; empty where no key was needed."""
    word: Mapped[str] = mapped_column(String(255), primary_key=True)
    """What the caller sent as `Idempotency-Key`."""
    claim: Mapped[str] = mapped_column(String(32))
    """Which request answers it; another one may take over where that one died."""
    fingerprint: Mapped[str | None] = mapped_column(String(64))
    answer: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
