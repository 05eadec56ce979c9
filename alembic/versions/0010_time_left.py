"""how fast each kind of work and each job goes, for the time that is left

Revision ID: 0010
Revises: 0009
"""

import sqlalchemy as sa

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

OF_JOBS = ("pace_from_at", "pace_from_done", "pace_next_at", "pace_next_done", "stored_at", "waits_until")


def upgrade() -> None:
    op.create_table(
        "work_paces",
        sa.Column("kind", sa.String(length=200), nullable=False),
        sa.Column("minute", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("worker", sa.String(length=200), nullable=False),
        sa.Column("items", sa.BigInteger(), nullable=False),
        sa.Column("busy_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("kind", "minute", "worker"),
    )
    for name in OF_JOBS:
        op.add_column("jobs", sa.Column(name, sa.BigInteger(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("jobs") as batch:
        for name in OF_JOBS:
            batch.drop_column(name)
    op.drop_table("work_paces")
