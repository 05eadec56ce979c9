"""What the scheduler does to the rows: expiring, writing out what was cancelled, clearing away. Small slices."""

from __future__ import annotations

from sqlalchemy import delete, insert, select
from sqlalchemy.orm import Session

from core.states import ChunkState, JobState
from db.chunks import cancelled_items, cancelled_row
from db.clock import now_ms
from db.jobs import stop_job
from db.tables import Chunk, IdempotencyKey, Job, Result, Worker

DAY_MS = 86_400_000
PURGE_ROWS = 5_000


def write_cancelled(session: Session, job_id: str | None = None) -> int:
    """Write the results of cancelled items, up to 100 chunks of one job; returns the number of items.

    Cancelling a million items is one UPDATE; their rows follow in slices, so that nobody waits for them.
    """
    if job_id is None:
        waiting = select(Chunk.job_id).where(Chunk.state == ChunkState.CANCELLED).limit(1)
        job_id = session.scalars(waiting).one_or_none()
        if job_id is None:
            return 0
    now = session.execute(select(now_ms())).scalar_one()
    written = 0
    for chunk, items in cancelled_items(session, job_id):
        session.execute(insert(Result), [cancelled_row(job_id, item, now) for item in items])
        chunk.state = ChunkState.DONE
        written += len(items)
    session.flush()
    return written


def expire_jobs(session: Session) -> list[str]:
    """End the jobs whose time is up; returns their ids."""
    overdue = select(Job).where(Job.state.in_([JobState.QUEUED, JobState.RUNNING]), Job.expires_at < now_ms())
    jobs = session.scalars(overdue.limit(20)).all()
    for job in jobs:
        stop_job(session, job, JobState.EXPIRED)
    return [job.id for job in jobs]


def purge(session: Session, *, retention_days: float) -> int:
    """Remove a slice of what was deleted or is older than the retention; returns the number of rows."""
    job_id = session.scalars(
        select(Job.id).where(Job.deleted_at.is_not(None)).order_by(Job.deleted_at).limit(1)
    ).one_or_none()
    if job_id is None:
        job_id = session.scalars(
            select(Job.id)
            .where(Job.finished_at.is_not(None), Job.finished_at < now_ms() - round(retention_days * DAY_MS))
            .limit(1)
        ).one_or_none()
    if job_id is None:
        return 0
    seqs = select(Result.seq).where(Result.job_id == job_id).limit(PURGE_ROWS)
    gone = session.execute(delete(Result).where(Result.job_id == job_id, Result.seq.in_(seqs)))
    removed: int = gone.rowcount  # type: ignore[attr-defined]
    if removed < PURGE_ROWS:
        session.execute(delete(Job).where(Job.id == job_id))  # takes its chunks and deliveries along
        removed += 1
    return removed


def purge_small(session: Session) -> None:
    """Remove idempotency keys older than a day and workers not seen for a day."""
    session.execute(
        delete(IdempotencyKey).where(
            IdempotencyKey.created_at < now_ms() - DAY_MS, IdempotencyKey.locked_until < now_ms()
        )
    )
    session.execute(delete(Worker).where(Worker.seen_at < now_ms() - DAY_MS))
