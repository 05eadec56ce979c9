"""The tables. Times are integer milliseconds since 1970-01-01 UTC, judged by the database's clock."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Text,
    false,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, InstrumentedAttribute, Mapped, mapped_column

from core.scopes import Scope
from core.states import Priority

BigId = BigInteger().with_variant(Integer(), "sqlite")  # SQLite numbers rows itself only for INTEGER
Json = JSON().with_variant(JSONB(), "postgresql")
Id = String(36)
FIRST_OF_ITS_CONTENT = text("NOT duplicate")  # of a tenant's uploads


class Base(DeclarativeBase):
    type_annotation_map = {str: Text(), int: BigInteger(), dict[str, Any]: Json, list[Any]: Json}  # noqa: RUF012


def _partial(name: str, *columns: str, where: str) -> Index:
    return Index(name, *columns, sqlite_where=text(where), postgresql_where=text(where))


class Tenant(Base):
    """Who owns jobs. What was claimed for it is counted by priority, in items: the least served goes first."""

    __tablename__ = "tenants"
    id: Mapped[str] = mapped_column(Id, primary_key=True)
    name: Mapped[str] = mapped_column(String(200), unique=True)
    webhook_secret: Mapped[str]
    served: Mapped[int] = mapped_column(server_default="0")  # at bulk priority
    served_interactive: Mapped[int] = mapped_column(server_default="0")
    upload_bytes: Mapped[int] = mapped_column(server_default="0")  # of all its uploads, for the quota
    created_at: Mapped[int]
    __table_args__ = (
        Index("ix_tenants_served", "served", "id"),
        Index("ix_tenants_served_interactive", "served_interactive", "id"),
    )

    @classmethod
    def share(cls, priority: int) -> InstrumentedAttribute[int]:
        """The column that counts what was claimed at a priority."""
        return cls.served_interactive if priority == Priority.INTERACTIVE else cls.served


class PreviousSecret(Base):
    """A webhook secret that was replaced, and signs beside the new one until it has had its time."""

    __tablename__ = "previous_secrets"
    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.id", ondelete="CASCADE"), index=True)
    secret: Mapped[str]
    signs_until: Mapped[int]


class ApiKey(Base):
    """A key's SHA-256; the key itself is never stored."""

    __tablename__ = "api_keys"
    sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.id", ondelete="CASCADE"), index=True)
    name: Mapped[str] = mapped_column(String(200))
    scope: Mapped[str] = mapped_column(String(16), server_default=Scope.ADMIN.value)
    created_at: Mapped[int]
    revoked_at: Mapped[int | None]


class Job(Base):
    """One submission. `version` grows with every change and is the ETag."""

    __tablename__ = "jobs"
    id: Mapped[str] = mapped_column(Id, primary_key=True)
    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.id", ondelete="CASCADE"))
    name: Mapped[str | None] = mapped_column(String(200))
    # "metadata" is taken on a declarative class
    meta: Mapped[dict[str, Any]] = mapped_column("metadata", Json)
    tasks: Mapped[list[Any]]
    options: Mapped[dict[str, Any]]
    models: Mapped[dict[str, Any]]
    queue: Mapped[str] = mapped_column(String(32))
    priority: Mapped[int] = mapped_column(Integer)
    state: Mapped[str] = mapped_column(String(16))
    total: Mapped[int]
    succeeded: Mapped[int] = mapped_column(server_default="0")
    failed: Mapped[int] = mapped_column(server_default="0")
    cancelled: Mapped[int] = mapped_column(server_default="0")
    done_before: Mapped[int] = mapped_column(default=0, server_default="0")  # items that a retry found done
    # Its recent pace: see db.job_pace. Items done at a moment; null: not yet
    pace_from_at: Mapped[int | None]
    pace_from_done: Mapped[int | None]
    pace_next_at: Mapped[int | None]
    pace_next_done: Mapped[int | None]
    stored_at: Mapped[int | None]  # when results were last stored
    waits_until: Mapped[int | None]  # hosts of some items asked to be left alone until then
    listings: Mapped[int] = mapped_column(default=0, server_default="0")  # prefixes that are still being listed
    next_seq: Mapped[int] = mapped_column(default=0, server_default="0")  # of what is found below them
    version: Mapped[int] = mapped_column(server_default="1")
    webhook_url: Mapped[str | None]
    webhook_secret: Mapped[str | None]
    base_url: Mapped[str]  # where its client reached the API, for the links in webhooks
    created_at: Mapped[int]
    started_at: Mapped[int | None]
    finished_at: Mapped[int | None]
    expires_at: Mapped[int]
    deleted_at: Mapped[int | None]
    reuse: Mapped[bool] = mapped_column(Boolean, default=False, server_default=false())  # outputs of the ledger will do
    library_run: Mapped[int | None]  # part of a library's run, and no job that anybody submitted
    __table_args__ = (
        _partial("ix_jobs_list", "tenant_id", "id", where="deleted_at IS NULL AND library_run IS NULL"),
        _partial("ix_jobs_library_run", "library_run", where="library_run IS NOT NULL"),
        _partial("ix_jobs_open", "expires_at", where="state IN ('queued', 'running')"),
        _partial("ix_jobs_finished", "finished_at", where="finished_at IS NOT NULL"),
        _partial("ix_jobs_deleted", "deleted_at", where="deleted_at IS NOT NULL"),
    )


class Chunk(Base):
    """Items that are claimed, run and stored together, under a lease with a fencing token."""

    __tablename__ = "chunks"
    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"))
    tenant_id: Mapped[str] = mapped_column(Id)
    queue: Mapped[str] = mapped_column(String(32))
    priority: Mapped[int] = mapped_column(Integer)
    turn: Mapped[int] = mapped_column(Integer)  # within its tenant the lowest goes first; see db.jobs
    first_seq: Mapped[int]
    last_seq: Mapped[int]
    size: Mapped[int] = mapped_column(Integer)
    inputs: Mapped[bytes] = mapped_column(LargeBinary)
    state: Mapped[str] = mapped_column(String(16))
    token: Mapped[int] = mapped_column(Integer, server_default="0")
    attempts: Mapped[int] = mapped_column(Integer, server_default="0")
    alone: Mapped[bool] = mapped_column(Boolean, server_default=false())  # its worker has nothing else in hand
    worker: Mapped[str | None] = mapped_column(String(200))
    lease_until: Mapped[int | None]
    due_at: Mapped[int] = mapped_column(server_default="0")  # not claimed before
    created_at: Mapped[int]
    __table_args__ = (
        _partial("ix_chunks_pending", "queue", "priority", "tenant_id", "turn", "id", where="state = 'pending'"),
        _partial("ix_chunks_leased", "lease_until", where="state = 'leased'"),
        _partial("ix_chunks_cancelled", "job_id", "first_seq", where="state = 'cancelled'"),
        Index("ix_chunks_job", "job_id", "id"),
    )


class Result(Base):
    """What became of one item; exactly one row an item."""

    __tablename__ = "results"
    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    seq: Mapped[int] = mapped_column(primary_key=True)
    item_id: Mapped[str]
    state: Mapped[str] = mapped_column(String(16))
    input: Mapped[dict[str, Any]]
    outputs: Mapped[dict[str, Any] | None] = mapped_column(Json)
    media: Mapped[dict[str, Any] | None] = mapped_column(Json)
    error_code: Mapped[str | None] = mapped_column(String(64))
    error_message: Mapped[str | None]
    error_permanent: Mapped[bool | None] = mapped_column(Boolean)
    finished_at: Mapped[int]
    __table_args__ = (_partial("ix_results_failed", "job_id", "seq", where="state = 'failed'"),)


class Delivery(Base):
    """The outbox: a webhook to send, written in the transaction that made it true."""

    __tablename__ = "deliveries"
    id: Mapped[str] = mapped_column(Id, primary_key=True)
    # null: it tells of something else than a job, or of a job whose removal it shall outlive
    job_id: Mapped[str | None] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), index=True)
    tenant_id: Mapped[str] = mapped_column(Id)
    subject: Mapped[str]  # what it tells of, as a path below /v1: jobs/ID
    url: Mapped[str]
    host: Mapped[str] = mapped_column(String(300))  # host:port; a silent one must not hold up the others
    secret: Mapped[str | None]  # the receiver's own; null: the tenant's
    event: Mapped[str] = mapped_column(String(64))
    body: Mapped[str]
    state: Mapped[str] = mapped_column(String(16))
    attempts: Mapped[int] = mapped_column(Integer, server_default="0")  # since it was last (re)started
    token: Mapped[int] = mapped_column(Integer, server_default="0")
    next_attempt_at: Mapped[int]  # while sending: when the lease ends
    created_at: Mapped[int]
    __table_args__ = (
        _partial("ix_deliveries_due", "next_attempt_at", where="state IN ('pending', 'sending')"),
        _partial("ix_deliveries_host", "host", "next_attempt_at", where="state IN ('pending', 'sending')"),
        Index("ix_deliveries_list", "tenant_id", "id"),
        Index("ix_deliveries_state", "tenant_id", "state", "id"),
    )


class DeliveryAttempt(Base):
    """One try to send a delivery, kept for whoever asks why nothing arrived."""

    __tablename__ = "delivery_attempts"
    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    delivery_id: Mapped[str] = mapped_column(ForeignKey("deliveries.id", ondelete="CASCADE"), index=True)
    at: Mapped[int]
    status: Mapped[int | None] = mapped_column(Integer)
    error_code: Mapped[str | None] = mapped_column(String(64))
    error_message: Mapped[str | None]
    duration_s: Mapped[float] = mapped_column(Float)


class IdempotencyKey(Base):
    """A submission's key: in progress while `job_id` is null, then the answer to give again."""

    __tablename__ = "idempotency_keys"
    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.id", ondelete="CASCADE"), primary_key=True)
    key: Mapped[str] = mapped_column(String(255), primary_key=True)
    owner: Mapped[str] = mapped_column(Id)
    fingerprint: Mapped[str | None] = mapped_column(String(64))
    job_id: Mapped[str | None] = mapped_column(Id)
    response: Mapped[dict[str, Any] | None] = mapped_column(Json)
    created_at: Mapped[int]
    locked_until: Mapped[int]


class UploadFile(Base):
    """The bytes of uploads, whoever owns them; they lie in the upload store. The row comes before them, and goes with
    them: see db.upload_files."""

    __tablename__ = "upload_files"
    sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    check_at: Mapped[int | None]  # from then on somebody may see whether any upload still needs the bytes
    __table_args__ = (_partial("ix_upload_files_check", "check_at", where="check_at IS NOT NULL"),)


class Upload(Base):
    """An uploaded image of a tenant's; its bytes lie in the upload store under their SHA-256."""

    __tablename__ = "uploads"
    id: Mapped[str] = mapped_column(Id, primary_key=True)
    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.id", ondelete="CASCADE"), index=True)
    sha256: Mapped[str] = mapped_column(ForeignKey("upload_files.sha256"), index=True)
    bytes: Mapped[int]
    width: Mapped[int]
    height: Mapped[int]
    created_at: Mapped[int]
    used_at: Mapped[int] = mapped_column(index=True)  # when it was last sent, or known to be needed by a job
    # A second id of the same bytes, given when two uploads raced; jobs name it, so it stays (before migration 0002)
    duplicate: Mapped[bool] = mapped_column(Boolean, server_default=false())
    __table_args__ = (
        Index(
            "ux_uploads_content", "tenant_id", "sha256", unique=True,
            sqlite_where=FIRST_OF_ITS_CONTENT, postgresql_where=FIRST_OF_ITS_CONTENT,
        ),
    )  # fmt: skip


class UploadUse(Base):
    """A job names an upload, which must stay while the job is unfinished."""

    __tablename__ = "upload_uses"
    upload_id: Mapped[str] = mapped_column(ForeignKey("uploads.id", ondelete="CASCADE"), primary_key=True)
    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True, index=True)


class Worker(Base):
    """A worker's sign of life."""

    __tablename__ = "workers"
    name: Mapped[str] = mapped_column(String(200), primary_key=True)
    started_at: Mapped[int]
    seen_at: Mapped[int] = mapped_column(index=True)
    models: Mapped[list[Any]]
