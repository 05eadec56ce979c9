"""The tables of photo libraries.

A library's rows are many, so they are narrow: a photo names its library and its run by number, the bytes by their
SHA-256 as 32 bytes, and what it was made with by the number of a `Spec`. What the models said of the bytes lies in the
ledger (db.ledger_tables), once for all photos of the same bytes.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    JSON,
    Boolean,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    String,
    Text,
    false,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from db.tables import Base, BigId, Id

Key = Text().with_variant(Text(collation="C"), "postgresql")  # by bytes, as SQLite orders and receipts are made
# None is NULL, and not the JSON null
OptionalJson = JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")
UNFINISHED_RUN = text("state IN ('queued', 'listing', 'running', 'paused')")


def _partial(name: str, *columns: str, where: str, unique: bool = False) -> Index:
    return Index(name, *columns, unique=unique, sqlite_where=text(where), postgresql_where=text(where))


class Library(Base):
    """A named set of photos with a task list and a schedule. Its `number` is what the rows below refer to."""

    __tablename__ = "libraries"
    number: Mapped[int] = mapped_column(BigId, primary_key=True)
    id: Mapped[str] = mapped_column(Id, unique=True)
    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.id", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(String(200))
    source: Mapped[dict[str, Any] | None] = mapped_column(OptionalJson)  # null: a manifest is still to come
    tasks: Mapped[list[Any]]
    options: Mapped[dict[str, Any]]
    models: Mapped[dict[str, Any]]
    schedule: Mapped[dict[str, Any] | None] = mapped_column(OptionalJson)
    webhook_url: Mapped[str | None]
    webhook_secret: Mapped[str | None]
    write: Mapped[str] = mapped_column(String(16))
    write_threshold: Mapped[float] = mapped_column(Float)
    base_url: Mapped[str]
    next_due_at: Mapped[int | None]  # when the schedule wants the next run
    present: Mapped[int | None]  # photos that were there at the last completed run
    manifest: Mapped[int] = mapped_column(server_default="0")  # the streamed manifest that counts
    changed: Mapped[int] = mapped_column(server_default="0")  # grows with what searches see
    saving_until: Mapped[int | None]  # a worker writes its sidecars outside of a run
    created_at: Mapped[int]
    updated_at: Mapped[int]
    deleted_at: Mapped[int | None]
    __table_args__ = (
        _partial("ix_libraries_list", "tenant_id", "id", where="deleted_at IS NULL"),
        _partial("ix_libraries_due", "next_due_at", where="next_due_at IS NOT NULL AND deleted_at IS NULL"),
        _partial("ix_libraries_deleted", "deleted_at", where="deleted_at IS NOT NULL"),
    )


class LibraryPhoto(Base):
    """A photo that some run of its library has met."""

    __tablename__ = "library_photos"
    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    library: Mapped[int]
    size: Mapped[int | None]
    mtime: Mapped[int | None]  # microseconds
    missing_since: Mapped[int | None]
    retry_at: Mapped[int | None]  # of a failure that may pass: not tried before
    run: Mapped[int | None]  # the last that did anything about it
    updated_at: Mapped[int]
    spec: Mapped[int | None] = mapped_column(Integer)  # what its outputs were made with; null: it has none
    width: Mapped[int | None] = mapped_column(Integer)
    height: Mapped[int | None] = mapped_column(Integer)
    failures: Mapped[int] = mapped_column(SmallInteger, server_default="0")  # in a row
    permanent: Mapped[bool] = mapped_column(Boolean, server_default=false())  # the failure is
    unsaved: Mapped[bool] = mapped_column(Boolean, server_default=false())  # its sidecar is to be written
    key: Mapped[str] = mapped_column(Key)
    etag: Mapped[str | None]
    modified: Mapped[str | None]  # Last-Modified, as the server spells it
    sha256: Mapped[bytes | None] = mapped_column(LargeBinary)  # of its bytes as they were last read
    shown: Mapped[bytes | None] = mapped_column(LargeBinary)  # SHA-256 its outputs are of; null: of its own bytes
    locator: Mapped[dict[str, Any] | None] = mapped_column(OptionalJson)  # null: follows from source and key
    error_code: Mapped[str | None] = mapped_column(String(64))
    added: Mapped[bytes | None] = mapped_column(LargeBinary)  # labels of people, as numbers of db.labels
    removed: Mapped[bytes | None] = mapped_column(LargeBinary)
    caption: Mapped[str | None]  # of a person
    __table_args__ = (
        Index("ux_library_photos_key", "library", "key", unique=True),
        Index("ix_library_photos_page", "library", "id"),
        _partial("ix_library_photos_sha256", "sha256", where="sha256 IS NOT NULL"),
        _partial("ix_library_photos_shown", "shown", where="shown IS NOT NULL"),
        _partial("ix_library_photos_missing", "library", "missing_since", where="missing_since IS NOT NULL"),
        _partial("ix_library_photos_unsaved", "library", "id", where="unsaved"),
        _partial("ix_library_photos_failed", "library", "id", where="failures > 0"),
    )


class LibraryEdit(Base):
    """What a person said of a photo, in the order in which it was said; never changed, only added to."""

    __tablename__ = "library_edits"
    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    photo: Mapped[int] = mapped_column(ForeignKey("library_photos.id", ondelete="CASCADE"), index=True)
    kind: Mapped[str] = mapped_column(String(16))  # labels or caption
    added: Mapped[list[Any] | None] = mapped_column(OptionalJson)
    removed: Mapped[list[Any] | None] = mapped_column(OptionalJson)
    caption: Mapped[str | None]
    seen_in: Mapped[str] = mapped_column(String(16))  # api or sidecar
    made_at: Mapped[int]


class LibrarySidecar(Base):
    """What stood beside a photo when we last wrote there: the base of the three-way comparison, and how to see that it
    changed. Labels are those of models; people's are whatever else stood there."""

    __tablename__ = "library_sidecars"
    photo: Mapped[int] = mapped_column(ForeignKey("library_photos.id", ondelete="CASCADE"), primary_key=True)
    place: Mapped[str]
    stamp: Mapped[str | None]  # etag, or size and time, of the sidecar as we left it
    labels: Mapped[list[Any]]
    people: Mapped[list[Any]]
    paths: Mapped[list[Any]]
    caption: Mapped[str | None]
    error_code: Mapped[str | None] = mapped_column(String(64))  # why it could not be written
    written_at: Mapped[int]


class LibraryRun(Base):
    """One look at a library's source and what followed. `stage` says what is to be done next, and by whom."""

    __tablename__ = "library_runs"
    number: Mapped[int] = mapped_column(BigId, primary_key=True)
    id: Mapped[str] = mapped_column(Id, unique=True)
    library: Mapped[int] = mapped_column(ForeignKey("libraries.number", ondelete="CASCADE"))
    tenant_id: Mapped[str] = mapped_column(Id)
    what: Mapped[str] = mapped_column(String(16))
    dry_run: Mapped[bool] = mapped_column(Boolean)
    force: Mapped[bool] = mapped_column(Boolean)
    most: Mapped[int | None]  # photos run at most
    scheduled_for: Mapped[int | None]  # null: started by hand
    window: Mapped[dict[str, Any] | None] = mapped_column(OptionalJson)
    state: Mapped[str] = mapped_column(String(16))
    stage: Mapped[str] = mapped_column(String(16))
    spec: Mapped[int | None] = mapped_column(Integer)
    source: Mapped[dict[str, Any] | None] = mapped_column(OptionalJson)  # as it was when the run began
    models: Mapped[dict[str, Any]]
    listed: Mapped[int] = mapped_column(server_default="0")
    skipped: Mapped[int] = mapped_column(server_default="0")
    cursor: Mapped[str | None] = mapped_column(Key)  # how far its stage has come
    counts: Mapped[dict[str, Any] | None] = mapped_column(OptionalJson)  # once it is over
    labels: Mapped[dict[str, Any] | None] = mapped_column(OptionalJson)
    receipt: Mapped[str | None] = mapped_column(String(64))
    token: Mapped[int] = mapped_column(Integer, server_default="0")
    attempts: Mapped[int] = mapped_column(Integer, server_default="0")
    worker: Mapped[str | None] = mapped_column(String(200))
    lease_until: Mapped[int | None]
    error_code: Mapped[str | None] = mapped_column(String(64))
    error_message: Mapped[str | None]
    created_at: Mapped[int]
    started_at: Mapped[int | None]
    finished_at: Mapped[int | None]
    undone_at: Mapped[int | None]
    __table_args__ = (
        Index(
            "ux_library_runs_one", "library", unique=True, sqlite_where=UNFINISHED_RUN, postgresql_where=UNFINISHED_RUN
        ),
        Index("ux_library_runs_schedule", "library", "scheduled_for", unique=True),
        Index("ix_library_runs_list", "library", "id"),
        _partial("ix_library_runs_open", "number", where="stage <> 'done'"),
    )


class LibraryListing(Base):
    """What a run's source lists, for as long as it takes to compare it with what is known."""

    __tablename__ = "library_listing"
    run: Mapped[int] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(Key, primary_key=True)
    size: Mapped[int | None]
    mtime: Mapped[int | None]
    etag: Mapped[str | None]
    locator: Mapped[dict[str, Any] | None] = mapped_column(OptionalJson)


class LibrarySidecarListing(Base):
    """The sidecars that a run's source lists, and what it says of their bytes."""

    __tablename__ = "library_sidecar_listing"
    run: Mapped[int] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(Key, primary_key=True)
    etag: Mapped[str | None]


class LibraryManifest(Base):
    """The lines of a manifest that was streamed to us; a new one counts once it has come whole."""

    __tablename__ = "library_manifest"
    library: Mapped[int] = mapped_column(primary_key=True)
    edition: Mapped[int] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(Key, primary_key=True)
    locator: Mapped[dict[str, Any] | None] = mapped_column(OptionalJson)


class LibraryChange(Base):
    """A photo that a run has something to do or to say about; none for one that is as it was.

    `before_*` and `after_*` are SHA-256 and spec of its outputs, by which a run can be undone.
    """

    __tablename__ = "library_changes"
    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    run: Mapped[int]
    photo: Mapped[int | None]
    size: Mapped[int | None]
    mtime: Mapped[int | None]
    job: Mapped[str | None] = mapped_column(Id)
    kind: Mapped[str] = mapped_column(String(16))  # new, changed, moved, unchanged, stale, retried, gone
    state: Mapped[str] = mapped_column(String(16))  # due, ordered, left, done
    outcome: Mapped[str | None] = mapped_column(String(16))  # succeeded, failed
    done_by: Mapped[str | None] = mapped_column(String(16))  # model, ledger, embedding
    before_spec: Mapped[int | None] = mapped_column(Integer)
    after_spec: Mapped[int | None] = mapped_column(Integer)
    key: Mapped[str] = mapped_column(Key)
    locator: Mapped[dict[str, Any] | None] = mapped_column(OptionalJson)
    etag: Mapped[str | None]
    sha256: Mapped[bytes | None] = mapped_column(LargeBinary)  # of its bytes, where no reading is needed to know it
    before_sha256: Mapped[bytes | None] = mapped_column(LargeBinary)
    after_sha256: Mapped[bytes | None] = mapped_column(LargeBinary)
    added: Mapped[bytes | None] = mapped_column(LargeBinary)  # labels, as numbers
    removed: Mapped[bytes | None] = mapped_column(LargeBinary)
    kept: Mapped[bytes | None] = mapped_column(LargeBinary)
    caption_before: Mapped[str | None]
    caption_after: Mapped[str | None]
    why: Mapped[str]
    error_code: Mapped[str | None] = mapped_column(String(64))
    error_message: Mapped[str | None]
    __table_args__ = (
        Index("ux_library_changes_key", "run", "key", unique=True),
        Index("ix_library_changes_list", "run", "id"),
        _partial("ix_library_changes_due", "run", "id", where="state = 'due'"),
        _partial("ix_library_changes_before", "before_sha256", where="kind = 'changed'"),
        _partial("ix_library_changes_photo", "photo", "run", where="photo IS NOT NULL"),
    )
