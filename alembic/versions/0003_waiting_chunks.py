"""chunks that wait for a moment, and shares by priority

Revision ID: 0003
Revises: 0002
"""

import sqlalchemy as sa

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("chunks", sa.Column("due_at", sa.BigInteger(), server_default="0", nullable=False))
    op.add_column("tenants", sa.Column("served_interactive", sa.BigInteger(), server_default="0", nullable=False))
    op.create_index("ix_tenants_served_interactive", "tenants", ["served_interactive", "id"])


def downgrade() -> None:
    op.drop_index("ix_tenants_served_interactive", "tenants")
    with op.batch_alter_table("tenants") as batch:
        batch.drop_column("served_interactive")
    with op.batch_alter_table("chunks") as batch:
        batch.drop_column("due_at")
