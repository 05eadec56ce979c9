"""a library's photos by their numbers, in which order they are paged

Revision ID: 0011
Revises: 0010
"""

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_library_photos_page", "library_photos", ["library", "id"])


def downgrade() -> None:
    op.drop_index("ix_library_photos_page", "library_photos")
