"""scopes of keys, the secret that signs sessions, links that sign in, and jobs of visitors

Revision ID: 0007
Revises: 0006
"""

import time

import sqlalchemy as sa

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Keys that were made before there were scopes could do everything, and still can.
    op.add_column("api_keys", sa.Column("scope", sa.String(length=16), server_default="admin", nullable=False))
    op.create_table(
        "server_secrets",
        sa.Column("purpose", sa.String(length=64), nullable=False),
        sa.Column("secret", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("purpose"),
    )
    op.create_table(
        "sign_in_links",
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("key_sha256", sa.String(length=64), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["key_sha256"], ["api_keys.sha256"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("sha256"),
    )
    op.create_index("ix_sign_in_links_key_sha256", "sign_in_links", ["key_sha256"])
    op.create_table(
        "visitor_jobs",
        sa.Column("job_id", sa.String(length=36), nullable=False),
        sa.Column("visitor_sha256", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("job_id"),
    )
    op.create_index("ix_visitor_jobs_visitor_sha256", "visitor_jobs", ["visitor_sha256"])


def downgrade() -> None:
    op.drop_table("visitor_jobs")
    op.drop_table("sign_in_links")
    op.drop_table("server_secrets")
    # Before scopes every live key could do everything: one that may not must not be good for more afterwards.
    limited = sa.text("UPDATE api_keys SET revoked_at = :now WHERE scope <> 'admin' AND revoked_at IS NULL")
    op.get_bind().execute(limited, {"now": int(time.time() * 1000)})
    with op.batch_alter_table("api_keys") as batch:
        batch.drop_column("scope")
