"""thumbnails of photos, for pages

Revision ID: 0008
Revises: 0007
"""

import sqlalchemy as sa

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

OPEN = sa.text("error_code IS NULL")
CHECKED = sa.text("check_at IS NOT NULL")


def upgrade() -> None:
    op.create_table(
        "thumbnail_files",
        sa.Column("sha256", sa.LargeBinary(), nullable=False),
        sa.Column("check_at", sa.BigInteger(), nullable=True),
        sa.Column("removed_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("sha256"),
    )
    op.create_index(
        "ix_thumbnail_files_check", "thumbnail_files", ["check_at"], sqlite_where=CHECKED, postgresql_where=CHECKED
    )
    op.create_table(
        "thumbnails",
        sa.Column("tenant_id", sa.String(length=36), nullable=False),
        sa.Column("sha256", sa.LargeBinary(), nullable=False),
        sa.Column("used_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("tenant_id", "sha256"),
    )
    op.create_index("ix_thumbnails_used", "thumbnails", ["used_at"])
    op.create_index("ix_thumbnails_sha256", "thumbnails", ["sha256"])
    op.create_table(
        "thumbnail_requests",
        sa.Column("photo", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("tenant_id", sa.String(length=36), nullable=False),
        sa.Column("sha256", sa.LargeBinary(), nullable=False),
        sa.Column("asked_at", sa.BigInteger(), nullable=False),
        sa.Column("taken_until", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("error_code", sa.String(length=64), nullable=True),
        sa.Column("again_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["photo"], ["library_photos.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("photo"),
    )
    for name, column in (("ix_thumbnail_requests_open", "asked_at"), ("ix_thumbnail_requests_tenant", "tenant_id")):
        op.create_index(name, "thumbnail_requests", [column], sqlite_where=OPEN, postgresql_where=OPEN)


def downgrade() -> None:
    for table in ("thumbnail_requests", "thumbnails", "thumbnail_files"):
        op.drop_table(table)
