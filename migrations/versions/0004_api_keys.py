"""API keys with their quotas, whose film is whose, uploads under way, answers to be repeated.

Films that are here already belong to no key and count for none.
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Add the tables, and the key that uploaded a film."""
    op.create_table(
        "api_keys",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("scope", sa.String(8), nullable=False),
        sa.Column("max_bytes", sa.BigInteger(), nullable=True),
        sa.Column("max_films", sa.BigInteger(), nullable=True),
        sa.Column("max_uploads", sa.BigInteger(), nullable=True),
        sa.Column("requests_per_min", sa.BigInteger(), nullable=True),
        sa.Column("next_request_s", sa.Double(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("expires_at", MOMENT, nullable=True),
        sa.Column("revoked_at", MOMENT, nullable=True),
        sa.Column("last_used_at", MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_api_keys"),
        sa.UniqueConstraint("digest", name="uq_api_keys_digest"),
    )
    op.create_table(
        "upload_slots",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("key_id", sa.String(32), nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_upload_slots"),
        sa.ForeignKeyConstraint(
            ["key_id"], ["api_keys.id"], name="fk_upload_slots_key_id", ondelete="CASCADE"
        ),
    )
    op.create_index("ix_upload_slots_key_id", "upload_slots", ["key_id"])
    op.create_table(
        "idempotency",
        sa.Column("caller", sa.String(32), nullable=False),
        sa.Column("word", sa.String(255), nullable=False),
        sa.Column("claim", sa.String(32), nullable=False),
        sa.Column("fingerprint", sa.String(64), nullable=True),
        sa.Column("answer", sa.JSON(), nullable=True),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("caller", "word", name="pk_idempotency"),
    )
    op.create_index("ix_idempotency_expires_at", "idempotency", ["expires_at"])
    op.add_column("films", sa.Column("key_id", sa.String(32), nullable=True))
    op.create_index("ix_films_key_id", "films", ["key_id"])


def downgrade() -> None:
    """Forget the keys."""
    op.drop_index("ix_films_key_id", "films")
    op.drop_column("films", "key_id")
    op.drop_index("ix_idempotency_expires_at", "idempotency")
    op.drop_table("idempotency")
    op.drop_index("ix_upload_slots_key_id", "upload_slots")
    op.drop_table("upload_slots")
    op.drop_table("api_keys")
