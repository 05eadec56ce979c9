"""What the scheduler does to the rows: expiring, writing out what was cancelled, clearing away. Small slices."""

from __future__ import annotations

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from core.inputs import ItemResult, unpack_items
from core.states import ChunkState, JobState
from db.changes import note_change
from db.clock import current_ms, now_ms
from db.jobs import stop_job
from db.locks import lock_job_and_chunks
from db.result_rows import insert_rows
from db.tables import Chunk, Delivery, IdempotencyKey, Job, Result, UploadUse, Worker
from db.throughput import forget_old_minutes

DAY_MS = 86_400_000
PURGE_ROWS = 1_000
CANCELLED_CHUNKS = 20


def write_cancelled(session: Session, job_id: str | None = None) -> int:
    """Write the results of cancelled items, up to 20 chunks of one job; returns 0 if there are none.

    Cancelling a million items is one UPDATE; their rows follow in slices, so that nobody waits for them.
    """
    cancelled = select(Chunk).where(Chunk.state == ChunkState.CANCELLED)
    if job_id is None:
        job_id = session.scalars(cancelled.with_only_columns(Chunk.job_id).limit(1)).one_or_none()
        if job_id is None:
            return 0
    some = cancelled.where(Chunk.job_id == job_id).order_by(Chunk.first_seq).limit(CANCELLED_CHUNKS)
    written = 0
    for chunk in session.scalars(some.with_for_update(skip_locked=True)).all():
        items = unpack_items(chunk.inputs) if chunk.size else []  # a prefix is none
        if items:
            insert_rows(session, job_id, [ItemResult(item, cancelled=True) for item in items], current_ms(session))
        chunk.state = ChunkState.DONE
        written += len(items) or 1
    session.flush()
    return written


def expire_one(session: Session) -> str | None:
    """End a job whose time is up; returns its id."""
    overdue = (Job.state.in_([JobState.QUEUED, JobState.RUNNING]), Job.expires_at < now_ms())
    while (job_id := session.scalars(select(Job.id).where(*overdue).limit(1)).one_or_none()) is not None:
        attempt = session.begin_nested()
        job = lock_job_and_chunks(session, job_id)
        # Once more, now that nobody can change it: it may have finished, and even been given a new term by a retry.
        if job is not None and session.scalars(select(Job.id).where(Job.id == job_id, *overdue)).first() is not None:
            stop_job(session, job, JobState.EXPIRED)
            attempt.commit()
            return job_id
        attempt.rollback()  # its locks too, before another job's are taken
    return None


def retire_one(session: Session, *, retention_days: float, tenant_id: str | None = None) -> str | None:
    """Mark a job (of one tenant) that is older than the retention as deleted; returns its id. From then on nobody can
    retry it."""
    old = (Job.finished_at < now_ms() - round(retention_days * DAY_MS), Job.deleted_at.is_(None))
    query = select(Job).where(*old).limit(1)
    if tenant_id is not None:
        query = query.where(Job.tenant_id == tenant_id)
    job = session.scalars(query.with_for_update(skip_locked=True)).one_or_none()
    if job is None:
        return None
    job.deleted_at = session.execute(select(now_ms())).scalar_one()
    note_change(session, job.id)
    return job.id


def purge(session: Session) -> int:
    """Remove a slice of the rows of a deleted job; returns the number of rows."""
    deleted = select(Job.id).where(Job.deleted_at.is_not(None)).limit(1)
    job_id = session.scalars(deleted.with_for_update(skip_locked=True, key_share=True)).one_or_none()
    if job_id is None:
        return 0
    seqs = select(Result.seq).where(Result.job_id == job_id).limit(PURGE_ROWS)
    gone = session.execute(delete(Result).where(Result.job_id == job_id, Result.seq.in_(seqs)))
    removed: int = gone.rowcount  # type: ignore[attr-defined]
    if removed == 0:
        removed = _purge_uses(session, job_id) or _purge_chunks(session, job_id)
    if removed == 0 and session.scalars(select(Chunk.id).where(Chunk.job_id == job_id).limit(1)).first() is None:
        session.execute(delete(Job).where(Job.id == job_id))  # takes its deliveries along
        removed = 1
    return removed


def _purge_uses(session: Session, job_id: str) -> int:
    some = select(UploadUse.upload_id).where(UploadUse.job_id == job_id).limit(PURGE_ROWS)
    gone = session.execute(delete(UploadUse).where(UploadUse.job_id == job_id, UploadUse.upload_id.in_(some)))
    removed: int = gone.rowcount  # type: ignore[attr-defined]
    return removed


def _purge_chunks(session: Session, job_id: str) -> int:
    """Remove a slice of a deleted job's chunks, but for those that somebody is writing rows of."""
    some = select(Chunk.id).where(Chunk.job_id == job_id).order_by(Chunk.id).limit(PURGE_ROWS)
    ids = session.scalars(some.with_for_update(skip_locked=True)).all()
    session.execute(delete(Chunk).where(Chunk.id.in_(ids)))
    return len(ids)


def purge_small(session: Session) -> None:
    """Remove idempotency keys older than a day, workers not seen for a day, and what was finished before."""
    session.execute(
        delete(IdempotencyKey).where(
            IdempotencyKey.created_at < now_ms() - DAY_MS, IdempotencyKey.locked_until < now_ms()
        )
    )
    session.execute(delete(Worker).where(Worker.seen_at < now_ms() - DAY_MS))
    forget_old_minutes(session)


def purge_deliveries(session: Session, *, retention_days: float) -> int:
    """Remove a slice of the webhooks that go with no job, once they are as old as a job may get; returns how many."""
    old = (Delivery.job_id.is_(None), Delivery.created_at < now_ms() - round(retention_days * DAY_MS))
    some = select(Delivery.id).where(*old).limit(PURGE_ROWS)
    gone = session.execute(delete(Delivery).where(Delivery.id.in_(some)))
    removed: int = gone.rowcount  # type: ignore[attr-defined]
    return removed
