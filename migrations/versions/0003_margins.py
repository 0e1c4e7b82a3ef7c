"""How unsure the model was of each key frame, so that humans can be asked of those first.

Key frames of films that were analysed before have no margin, and are not asked of, until their
film is tagged anew.
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

INDEX = "ix_frames_margin_film_id_n"


def upgrade() -> None:
    """Add the margin and the order of the review queue."""
    op.add_column("frames", sa.Column("margin", sa.Double(), nullable=True))
    op.create_index(INDEX, "frames", ["margin", "film_id", "n"])


def downgrade() -> None:
    """Forget the margins."""
    op.drop_index(INDEX, "frames")
    op.drop_column("frames", "margin")
