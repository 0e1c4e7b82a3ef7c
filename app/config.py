"""Settings: what can be changed from outside, read once from ``REELTAG_*`` variables.

Knows names, defaults and ranges; builds nothing. `bootstrap` makes one `Settings` and passes it
down. `docs/settings.md` lists them; a test compares the two.
"""

import os
from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from models.artifact import STARTER_DIR


def default_data_dir() -> Path:
    """Return the user's data folder for Reeltag (XDG base directory specification)."""
    base = os.environ.get("XDG_DATA_HOME") or str(Path.home() / ".local" / "share")
    return Path(base) / "reeltag"


class Settings(BaseSettings):
    """Everything that can be set; each field is the variable ``REELTAG_<NAME>``."""

    model_config = SettingsConfigDict(env_prefix="REELTAG_", env_nested_delimiter="__", frozen=True)

    data_dir: Path = Field(
        default_factory=default_data_dir,
        description="Folder of the embedded default: database, films, models.",
    )
    database_url: str = Field(
        default="",
        description="SQLAlchemy URL: sqlite:///PATH or postgresql+psycopg://...; "
        "empty means one SQLite file in the data folder.",
    )
    storage_url: str = Field(
        default="",
        description="Where films, thumbnails and features are kept: file:///PATH or "
        "s3://BUCKET/PREFIX; empty means the data folder.",
    )
    s3_endpoint_url: str = Field(
        default="", description="Address of an S3-compatible server; empty means AWS."
    )
    model_path: Path = Field(
        default=STARTER_DIR, description="Artifact that the service loads when none was activated."
    )
    engine: Literal["auto", "openvino", "tensorflow"] = Field(
        default="auto",
        description="What runs the network: auto takes TensorFlow where it sees a GPU, "
        "else OpenVINO.",
    )
    precision: Literal["auto", "fp32", "bf16"] = Field(
        default="auto",
        description="Arithmetic of the network on a CPU: auto takes bf16 where the processor "
        "has it.",
    )
    inference_threads: int = Field(
        default=0, ge=0, description="Processor threads of the network; 0 means all."
    )
    max_batch_size: int = Field(
        default=32, ge=1, le=512, description="Most pictures run through the network at once."
    )
    sampling: str = Field(
        default="shots",
        description="Frames that are looked at when an upload does not say: shots, keyframes or "
        "interval:SECONDS.",
    )
    worker_films: int = Field(
        default=2, ge=1, le=64, description="Films that one worker analyses at the same time."
    )
    chunk_s: float = Field(
        default=60.0, ge=5, le=3600, description="Seconds of film between two checkpoints of a job."
    )
    heartbeat_s: float = Field(
        default=5.0, gt=0, description="Seconds between two signs of life of a worker."
    )
    dead_after_s: float = Field(
        default=30.0,
        gt=0,
        description="Seconds without a sign of life after which a worker's films "
        "are taken over by others.",
    )
    max_upload_bytes: int = Field(
        default=64 * 2**30, ge=1, description="Largest film that is taken."
    )
    upload_expires_s: float = Field(
        default=86400.0,
        ge=60,
        description="Seconds without a byte after which an unfinished resumable upload is "
        "forgotten.",
    )
    max_duration_s: float = Field(
        default=12 * 3600.0, gt=0, description="Longest film that is analysed."
    )
    max_pixels: int = Field(
        default=8192 * 4320, ge=1, description="Most pixels a film's picture may have."
    )
    decoder_memory_bytes: int = Field(
        default=2 * 2**30,
        ge=2**28,
        description="Address space one decoder process may take beyond its start.",
    )
    decoder_stall_s: float = Field(
        default=60.0, gt=0, description="Seconds without a frame after which a decoder is stopped."
    )
    host: str = Field(default="127.0.0.1", description="Address that `reeltag serve` binds.")
    port: int = Field(default=8000, ge=0, le=65535, description="Port that `reeltag serve` binds.")
    require_key: Literal["auto", "always", "never"] = Field(
        default="auto",
        description="Who needs an API key: auto asks everyone unless the service is bound to "
        "this machine's own address (127.0.0.1), always and never do as they say.",
    )
    max_body_bytes: int = Field(
        default=2**20, ge=2**10, description="Largest body of a request that is no film."
    )
    body_stall_s: float = Field(
        default=30.0,
        gt=0,
        description="Seconds that a request's body is waited for before its speed is judged.",
    )
    body_bytes_per_s: int = Field(
        default=1024,
        ge=0,
        description="Slowest body that is read on, over such a stretch of waiting; "
        "0 asks for one byte.",
    )
    idempotency_expires_s: float = Field(
        default=86400.0,
        ge=60,
        description="Seconds for which an answer to a request with an Idempotency-Key is kept.",
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        default="INFO", description="Least important message that is logged."
    )

    @property
    def resolved_database_url(self) -> str:
        """The database's address, the embedded default filled in."""
        return self.database_url or f"sqlite:///{self.data_dir / 'reeltag.sqlite3'}"

    @property
    def resolved_storage_url(self) -> str:
        """The storage's address, the embedded default filled in."""
        return self.storage_url or (self.data_dir / "objects").absolute().as_uri()
