"""First tables: films, the pieces of a run, film tags, verdicts, models, workers, attempts."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Bring an empty database to the first tables."""
    _films()
    _pieces_of_a_run()
    _tags()
    _processes()


def downgrade() -> None:
    """Drop all tables, those that point at others first."""
    for table in (
        "attempts", "workers", "models", "verdicts", "film_tags", "frames", "shots", "chunks",
        "films",
    ):  # fmt: skip
        op.drop_table(table)


def _films() -> None:
    op.create_table(
        "films",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("filename", sa.Text(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("source_key", sa.Text(), nullable=False),
        sa.Column("sampling", sa.String(32), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("stage", sa.String(16), nullable=False),
        sa.Column("progress", sa.Double(), nullable=False),
        sa.Column("run", sa.Integer(), nullable=False),
        sa.Column("shown_run", sa.Integer(), nullable=True),
        sa.Column("model_version", sa.String(80), nullable=True),
        sa.Column("base_id", sa.String(64), nullable=True),
        sa.Column("duration_s", sa.Double(), nullable=True),
        sa.Column("width_px", sa.Integer(), nullable=True),
        sa.Column("height_px", sa.Integer(), nullable=True),
        sa.Column("frame_rate", sa.Double(), nullable=True),
        sa.Column("codec", sa.String(32), nullable=True),
        sa.Column("container", sa.String(32), nullable=True),
        sa.Column("error_code", sa.String(64), nullable=True),
        sa.Column("error_detail", sa.Text(), nullable=True),
        sa.Column("warnings", sa.JSON(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("updated_at", MOMENT, nullable=False),
        sa.Column("analysed_at", MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_films"),
        sa.UniqueConstraint("sha256", name="uq_films_sha256"),
    )
    op.create_index("ix_films_status_id", "films", ["status", "id"])
    op.create_index("ix_films_title_id", "films", ["title", "id"])


def _pieces_of_a_run() -> None:
    op.create_table(
        "chunks",
        sa.Column("film_id", sa.String(32), nullable=False),
        sa.Column("run", sa.Integer(), nullable=False),
        sa.Column("chunk", sa.Integer(), nullable=False),
        sa.Column("start_s", sa.Double(), nullable=False),
        sa.Column("end_s", sa.Double(), nullable=True),
        sa.Column("read_end_s", sa.Double(), nullable=False),
        sa.Column("frame_count", sa.Integer(), nullable=False),
        sa.Column("corrupt_count", sa.Integer(), nullable=False),
        sa.Column("warnings", sa.JSON(), nullable=False),
        sa.Column("executor_id", sa.Text(), nullable=False),
        sa.Column("finished_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("film_id", "run", "chunk", name="pk_chunks"),
        sa.ForeignKeyConstraint(
            ["film_id"], ["films.id"], name="fk_chunks_film_id", ondelete="CASCADE"
        ),
    )
    op.create_table(
        "shots",
        sa.Column("film_id", sa.String(32), nullable=False),
        sa.Column("run", sa.Integer(), nullable=False),
        sa.Column("chunk", sa.Integer(), nullable=False),
        sa.Column("shot", sa.Integer(), nullable=False),
        sa.Column("start_s", sa.Double(), nullable=False),
        sa.Column("end_s", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("film_id", "run", "chunk", "shot", name="pk_shots"),
        sa.ForeignKeyConstraint(
            ["film_id", "run", "chunk"],
            ["chunks.film_id", "chunks.run", "chunks.chunk"],
            name="fk_shots_film_id_run_chunk",
            ondelete="CASCADE",
        ),
    )
    op.create_table(
        "frames",
        sa.Column("film_id", sa.String(32), nullable=False),
        sa.Column("run", sa.Integer(), nullable=False),
        sa.Column("chunk", sa.Integer(), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("shot", sa.Integer(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=True),
        sa.Column("time_s", sa.Double(), nullable=False),
        sa.Column("scores", sa.LargeBinary(), nullable=False),
        sa.Column("thumbnail_key", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("film_id", "run", "chunk", "place", name="pk_frames"),
        sa.ForeignKeyConstraint(
            ["film_id", "run", "chunk", "shot"],
            ["shots.film_id", "shots.run", "shots.chunk", "shots.shot"],
            name="fk_frames_film_id_run_chunk_shot",
            ondelete="CASCADE",
        ),
    )
    op.create_index("ix_frames_film_id_run_n", "frames", ["film_id", "run", "n"])
    op.create_index(
        "ix_frames_film_id_run_chunk_shot", "frames", ["film_id", "run", "chunk", "shot"]
    )


def _tags() -> None:
    op.create_table(
        "film_tags",
        sa.Column("film_id", sa.String(32), nullable=False),
        sa.Column("tag", sa.String(40), nullable=False),
        sa.Column("source", sa.String(8), nullable=False),
        sa.Column("score", sa.Double(), nullable=False),
        sa.Column("coverage_s", sa.Double(), nullable=False),
        sa.Column("shot_count", sa.Integer(), nullable=False),
        sa.Column("first_s", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("film_id", "tag", name="pk_film_tags"),
        sa.ForeignKeyConstraint(
            ["film_id"], ["films.id"], name="fk_film_tags_film_id", ondelete="CASCADE"
        ),
    )
    op.create_index("ix_film_tags_tag_score_film_id", "film_tags", ["tag", "score", "film_id"])
    op.create_index("ix_film_tags_tag_film_id", "film_tags", ["tag", "film_id"])
    op.create_table(
        "verdicts",
        sa.Column("film_id", sa.String(32), nullable=False),
        sa.Column("tag", sa.String(40), nullable=False),
        sa.Column("verdict", sa.String(8), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("film_id", "tag", name="pk_verdicts"),
        sa.ForeignKeyConstraint(
            ["film_id"], ["films.id"], name="fk_verdicts_film_id", ondelete="CASCADE"
        ),
    )


def _processes() -> None:
    op.create_table(
        "models",
        sa.Column("version", sa.String(80), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("manifest", sa.JSON(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("added_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("version", name="pk_models"),
    )
    op.create_table(
        "workers",
        sa.Column("executor_id", sa.String(80), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("started_at", MOMENT, nullable=False),
        sa.Column("beat_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("executor_id", name="pk_workers"),
    )
    op.create_index("ix_workers_beat_at", "workers", ["beat_at"])
    op.create_table(
        "attempts",
        sa.Column("film_id", sa.String(32), nullable=False),
        sa.Column("run", sa.Integer(), nullable=False),
        sa.Column("chunk", sa.Integer(), nullable=False),
        sa.Column("executor_id", sa.String(80), nullable=False),
        sa.Column("started_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("film_id", "run", "chunk", "executor_id", name="pk_attempts"),
        sa.ForeignKeyConstraint(
            ["film_id"], ["films.id"], name="fk_attempts_film_id", ondelete="CASCADE"
        ),
    )
