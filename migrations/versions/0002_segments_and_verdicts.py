"""Segments and mean features to search by; verdicts on segments and key frames; more indexes.

Films that were analysed before have no segments and no mean features to search by until they are
analysed again; what a film itself shows does not need them.
"""

import secrets
from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)

INDEXES = (
    ("films", ["created_at", "id"]),
    ("films", ["model_version", "id"]),
    ("film_tags", ["tag", "coverage_s", "film_id"]),
)


def upgrade() -> None:
    """Add what searches look through, and give verdicts an id and a target."""
    for table, columns in INDEXES:
        op.create_index(f"ix_{table}_{'_'.join(columns)}", table, columns)
    _segments()
    _features()
    kept = _take_verdicts()
    _new_verdicts()
    rows = [
        {"id": _id_of(moment), "film_id": film_id, "tag": tag, "scope": "film", "start_s": 0.0,
         "end_s": 0.0, "verdict": verdict, "created_at": moment}
        for film_id, tag, verdict, moment in kept
    ]  # fmt: skip
    if rows:
        op.bulk_insert(_verdict_table(with_target=True), rows)


def downgrade() -> None:
    """Forget verdicts on segments and key frames; keep those on films."""
    kept = _take_verdicts("scope = 'film'")
    _old_verdicts()
    rows = [
        {"film_id": film_id, "tag": tag, "verdict": verdict, "created_at": moment}
        for film_id, tag, verdict, moment in kept
    ]
    if rows:
        op.bulk_insert(_verdict_table(with_target=False), rows)
    op.drop_table("film_features")
    op.drop_table("segments")
    for table, columns in INDEXES:
        op.drop_index(f"ix_{table}_{'_'.join(columns)}", table)


def _take_verdicts(condition: str = "1 = 1") -> list[tuple[str, str, str, datetime]]:
    """Read the verdicts of films and drop their table."""
    table = _verdict_table(with_target=False)
    statement = sa.select(table.c.film_id, table.c.tag, table.c.verdict, table.c.created_at)
    found = op.get_bind().execute(statement.where(sa.text(condition))).all()
    op.drop_table("verdicts")
    return [(film_id, tag, verdict, moment) for film_id, tag, verdict, moment in found]


def _verdict_table(*, with_target: bool) -> sa.TableClause:
    names = ["film_id", "tag", "verdict"] + (["id", "scope"] if with_target else [])
    numbers = ["start_s", "end_s"] if with_target else []
    return sa.table(
        "verdicts",
        *(sa.column(name, sa.String()) for name in names),
        *(sa.column(name, sa.Double()) for name in numbers),
        sa.column("created_at", MOMENT),
    )


def _id_of(moment: datetime) -> str:
    """Make an id that sorts by the time of the verdict, 32 hexadecimal digits."""
    zoned = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    head = (int(zoned.timestamp() * 1000) << 16 | 0x7000 | secrets.randbits(12)) << 64
    return f"{head | 0b10 << 62 | secrets.randbits(62):032x}"


def _segments() -> None:
    op.create_table(
        "segments",
        sa.Column("film_id", sa.String(32), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("tag", sa.String(40), nullable=False),
        sa.Column("source", sa.String(8), nullable=False),
        sa.Column("start_s", sa.Double(), nullable=False),
        sa.Column("end_s", sa.Double(), nullable=False),
        sa.Column("score", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("film_id", "place", name="pk_segments"),
        sa.ForeignKeyConstraint(
            ["film_id"], ["films.id"], name="fk_segments_film_id", ondelete="CASCADE"
        ),
    )
    for columns in (["tag", "score", "film_id", "place"], ["tag", "film_id", "place"]):
        op.create_index(f"ix_segments_{'_'.join(columns)}", "segments", columns)


def _features() -> None:
    op.create_table(
        "film_features",
        sa.Column("film_id", sa.String(32), nullable=False),
        sa.Column("base_id", sa.String(64), nullable=False),
        sa.Column("mean", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("film_id", name="pk_film_features"),
        sa.ForeignKeyConstraint(
            ["film_id"], ["films.id"], name="fk_film_features_film_id", ondelete="CASCADE"
        ),
    )
    op.create_index("ix_film_features_base_id_film_id", "film_features", ["base_id", "film_id"])


def _new_verdicts() -> None:
    op.create_table(
        "verdicts",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("film_id", sa.String(32), nullable=False),
        sa.Column("tag", sa.String(40), nullable=False),
        sa.Column("scope", sa.String(8), nullable=False),
        sa.Column("start_s", sa.Double(), nullable=False),
        sa.Column("end_s", sa.Double(), nullable=False),
        sa.Column("verdict", sa.String(8), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_verdicts"),
        sa.ForeignKeyConstraint(
            ["film_id"], ["films.id"], name="fk_verdicts_film_id", ondelete="CASCADE"
        ),
        sa.UniqueConstraint(
            "film_id", "tag", "scope", "start_s", "end_s",
            name="uq_verdicts_film_id_tag_scope_start_s_end_s",
        ),
    )  # fmt: skip


def _old_verdicts() -> None:
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
