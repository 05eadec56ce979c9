"""prefixes of a job that are listed while its first chunks run

Revision ID: 0006
Revises: 0005
"""

import sqlalchemy as sa

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("jobs", sa.Column("listings", sa.BigInteger(), server_default="0", nullable=False))
    op.add_column("jobs", sa.Column("next_seq", sa.BigInteger(), server_default="0", nullable=False))


def downgrade() -> None:
    with op.batch_alter_table("jobs") as batch:
        batch.drop_column("next_seq")
        batch.drop_column("listings")
