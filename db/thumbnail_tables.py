"""The tables of thumbnails: whose they are, which bytes lie in the store, and which photos somebody wants to see."""

from __future__ import annotations

from sqlalchemy import ForeignKey, Index, LargeBinary, String, text
from sqlalchemy.orm import Mapped, mapped_column

from db.tables import Base, Id

OPEN_REQUEST = text("error_code IS NULL")
TO_BE_CHECKED = text("check_at IS NOT NULL")


class ThumbnailFile(Base):
    """The bytes of a thumbnail, whoever may see them, by the SHA-256 of the photo. The bytes come before the row.

    One that was removed stays for a day as a mark (`removed_at`): whoever stored the same bytes before the removal
    learns from it that they may be gone. See db.thumbnails.
    """

    __tablename__ = "thumbnail_files"
    sha256: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    check_at: Mapped[int | None]  # from then on somebody may see whether any tenant still has it
    removed_at: Mapped[int | None]
    __table_args__ = (
        Index("ix_thumbnail_files_check", "check_at", sqlite_where=TO_BE_CHECKED, postgresql_where=TO_BE_CHECKED),
    )


class Thumbnail(Base):
    """A tenant may see the thumbnail of a photo: it had one of these bytes."""

    __tablename__ = "thumbnails"
    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.id", ondelete="CASCADE"), primary_key=True)
    sha256: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    used_at: Mapped[int]  # when a job last had the photo, or a library was last seen to list it
    __table_args__ = (Index("ix_thumbnails_used", "used_at"), Index("ix_thumbnails_sha256", "sha256"))


class ThumbnailRequest(Base):
    """Somebody looks at a photo of a library that has no thumbnail: asked for by a page, answered by a worker.

    It goes with the answer; where these bytes cannot be shown, it stays for a while, and says why.
    """

    __tablename__ = "thumbnail_requests"
    photo: Mapped[int] = mapped_column(ForeignKey("library_photos.id", ondelete="CASCADE"), primary_key=True)
    tenant_id: Mapped[str] = mapped_column(Id)
    sha256: Mapped[bytes] = mapped_column(LargeBinary)  # of the bytes that its labels were of
    asked_at: Mapped[int]
    taken_until: Mapped[int] = mapped_column(server_default="0")  # a worker is at it until then
    error_code: Mapped[str | None] = mapped_column(String(64))
    again_at: Mapped[int | None]  # not asked for again before
    __table_args__ = (
        Index("ix_thumbnail_requests_open", "asked_at", sqlite_where=OPEN_REQUEST, postgresql_where=OPEN_REQUEST),
        Index("ix_thumbnail_requests_tenant", "tenant_id", sqlite_where=OPEN_REQUEST, postgresql_where=OPEN_REQUEST),
    )
