"""Jobs: making one, reading it, and the moves from one state to the next that are not a worker's."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import Any

from sqlalchemy import ColumnElement, delete, func, insert, select, update
from sqlalchemy.orm import InstrumentedAttribute, Session

from core.errors import Conflict, NotFound
from core.inputs import InputItem, PackedChunk, PrefixState, cut_chunks, groups
from core.states import ChunkState, ItemState, JobState
from core.tasks import QUEUES
from db.announce import announce_finish
from db.changes import note_change
from db.clock import now_ms
from db.job_pace import forget_pace
from db.locks import UNFINISHED, lock_job, lock_job_and_chunks
from db.tables import Chunk, Job, Result, Tenant
from db.upload_uses import note_uses

HOUR_MS = 3_600_000
INSERT_ROWS = 500
UNWRITTEN = (*UNFINISHED, ChunkState.CANCELLED)  # chunks whose items have no rows yet


def create_job(session: Session, job: Job, chunks: Iterable[PackedChunk], *, ttl_hours: float) -> Job:
    """Write a job and its chunks; together they appear at the commit, or not at all.

    Args:
        job: a new row that says what is asked for; state, counters and times are filled in here.
        chunks: in order; see `cut_chunks`.
        ttl_hours: after this long an unfinished job expires.
    """
    now = session.execute(select(now_ms())).scalar_one()
    job.state, job.version = JobState.QUEUED, 1
    job.total = job.succeeded = job.failed = job.cancelled = 0
    job.created_at, job.expires_at = now, now + round(ttl_hours * HOUR_MS)
    idle = session.scalars(select(_some_pending(job.tenant_id, job.priority))).one() is None
    session.add(job)
    session.flush()
    job.listings = job.next_seq = 0
    job.total = _insert_chunks(session, job, _noted(job, chunks), now)
    session.flush()
    if idle:
        _level_up(session, job.tenant_id, job.priority)
    return job


def _some_pending(tenant_id: str | InstrumentedAttribute[str], priority: int) -> ColumnElement[int | None]:
    """SQL: the id of some pending chunk of a tenant's at a priority, or null.

    One probe of the index of pending chunks for each queue, by which and by the priority it begins; without them, or
    with EXISTS, the whole backlog would be read. So it would without the order, by a planner that knows of one tenant
    only and expects to meet a chunk of any other as soon.
    """
    probes = [
        select(Chunk.id)
        .where(
            Chunk.state == ChunkState.PENDING, Chunk.queue == queue, Chunk.priority == priority,
            Chunk.tenant_id == tenant_id,
        )
        .order_by(Chunk.turn)
        .limit(1)
        .scalar_subquery()
        for queue in QUEUES
    ]  # fmt: skip
    return func.coalesce(*probes)


def _level_up(session: Session, tenant_id: str, priority: int) -> None:
    """Start a tenant that was idle level with the others: the least served busy one or, if none is busy, the most
    served of all. Otherwise whoever comes new, or back after a month, would go first until they have had as much
    (start-time fair queueing, Goyal et al. 1996). Last in its transaction, because it locks the tenant's row.
    """
    share = Tenant.share(priority)
    others = Tenant.id != tenant_id
    busy = select(share).where(others, _some_pending(Tenant.id, priority).is_not(None)).order_by(share)
    level = session.scalars(busy.limit(1)).one_or_none()
    if level is None:
        level = session.scalars(select(func.max(share)).where(others)).one()
    if level is not None:
        session.execute(
            update(Tenant)
            .where(Tenant.id == tenant_id, share < level)
            .values({share: level})
            .execution_options(synchronize_session=False)
        )


def _noted(job: Job, chunks: Iterable[PackedChunk]) -> Iterator[PackedChunk]:
    """The chunks, with what the job has to know of them noted on it."""
    for chunk in chunks:
        job.listings += not chunk.size
        job.next_seq = max(job.next_seq, chunk.last_seq + 1)
        yield chunk


def _insert_chunks(session: Session, job: Job, chunks: Iterable[PackedChunk], now: int) -> int:
    """Write chunks, and which uploads they name; returns the number of items.

    Within a tenant chunks take turns by number: a job's first chunk stands where the tenant's queue is now, so that
    a small job does not wait for the whole of a big one before it.
    """
    same = (Chunk.queue == job.queue, Chunk.priority == job.priority, Chunk.tenant_id == job.tenant_id)
    pending = select(func.min(Chunk.turn)).where(Chunk.state == ChunkState.PENDING, *same)
    turn = session.scalars(pending).one() or 0
    total = 0
    for group in groups(chunks, INSERT_ROWS):
        rows = [
            {
                "job_id": job.id, "tenant_id": job.tenant_id, "queue": job.queue, "priority": job.priority,
                "turn": turn + number, "first_seq": chunk.first_seq, "last_seq": chunk.last_seq,
                "size": chunk.size, "inputs": chunk.blob, "state": ChunkState.PENDING,
                "token": 0, "attempts": 0, "alone": False, "created_at": now,
            }
            for number, chunk in enumerate(group)
        ]  # fmt: skip
        session.execute(insert(Chunk), rows)
        note_uses(session, job, {upload for chunk in group for upload in chunk.uploads})
        turn += len(rows)
        total += sum(chunk.size for chunk in group)
    return total


def _visible(tenant_id: str) -> tuple[ColumnElement[bool], ...]:
    """The jobs that a tenant has: neither deleted, nor part of a library's run."""
    return (Job.tenant_id == tenant_id, Job.deleted_at.is_(None), Job.library_run.is_(None))


def find_job(session: Session, tenant_id: str, job_id: str) -> Job:
    """A tenant's job.

    Raises:
        NotFound: `job_not_found`, also for somebody else's job.
    """
    job = session.execute(select(Job).where(*_visible(tenant_id), Job.id == job_id)).scalar_one_or_none()
    if job is None:
        raise NotFound("job_not_found", f"There is no job {job_id}.")
    return job


def job_version(session: Session, tenant_id: str, job_id: str) -> int:
    """The job's version, read cheaply by those who wait for it to change."""
    where = (*_visible(tenant_id), Job.id == job_id)
    version = session.execute(select(Job.version).where(*where)).scalar_one_or_none()
    if version is None:
        raise NotFound("job_not_found", f"There is no job {job_id}.")
    return version


def list_jobs(
    session: Session,
    tenant_id: str,
    *,
    limit: int,
    before: str | None = None,
    state: str | None = None,
    between: tuple[str, str] | None = None,
) -> list[Job]:
    """A tenant's jobs, newest first, at most `limit`, older than the job id `before`; with `between`, those from one id
    to another, both included."""
    query = select(Job).where(*_visible(tenant_id))
    if between is not None:
        query = query.where(Job.id >= between[0], Job.id <= between[1])
    if before is not None:
        query = query.where(Job.id < before)
    if state is not None:
        query = query.where(Job.state == state)
    return list(session.scalars(query.order_by(Job.id.desc()).limit(limit)))


def finish_if_done(session: Session, job_id: str) -> None:
    """Close a job all of whose items are accounted for, and put its webhook into the outbox."""
    job = session.execute(select(Job).where(Job.id == job_id).execution_options(populate_existing=True)).scalar_one()
    if JobState(job.state).finished or job.listings or job.succeeded + job.failed + job.cancelled < job.total:
        return
    close_job(session, job, JobState.COMPLETED if job.succeeded else JobState.FAILED)


def close_job(session: Session, job: Job, state: JobState) -> None:
    """Move a job into a final state and put its webhook into the outbox."""
    job.state = state
    job.finished_at = session.execute(select(now_ms())).scalar_one()
    job.version += 1
    session.flush()
    note_change(session, job.id)
    announce_finish(session, job)


def stop_job(session: Session, job: Job, state: JobState) -> None:
    """Give up what is not finished: cancelled by its owner, or expired. What is finished stays.

    The job must be locked with its chunks. The cancelled items become rows afterwards, a slice at a time; see
    `db.upkeep.write_cancelled`.
    """
    job.cancelled += stop_chunks(session, job.id, UNFINISHED, ChunkState.CANCELLED)
    job.listings = 0
    close_job(session, job, state)


def stop_chunks(session: Session, job_id: str, which: Collection[ChunkState], state: ChunkState) -> int:
    """Take a job's chunks from whoever has them; returns the number of items."""
    sizes = session.scalars(
        update(Chunk)
        .where(Chunk.job_id == job_id, Chunk.state.in_(which))
        .values(state=state, token=Chunk.token + 1)
        .returning(Chunk.size)
    )
    return sum(sizes)


def _locked(session: Session, tenant_id: str, job_id: str, states: Collection[ChunkState] = ()) -> Job:
    """A tenant's job, locked with its chunks in these states, if any.

    Raises:
        NotFound: `job_not_found`; also if it was removed while we waited for it.
    """
    find_job(session, tenant_id, job_id)  # first without a lock: nobody may hold up a stranger's job
    job = lock_job_and_chunks(session, job_id, states) if states else lock_job(session, job_id)
    if job is None or job.deleted_at is not None:
        raise NotFound("job_not_found", f"There is no job {job_id}.")
    return job


def cancel_job(session: Session, tenant_id: str, job_id: str) -> Job:
    """Cancel a job; one that is finished stays as it is.

    Raises:
        NotFound: `job_not_found`.
        Conflict: `job_finished`, if it has ended in another way.
    """
    job = _locked(session, tenant_id, job_id, UNFINISHED)
    if not JobState(job.state).finished:
        stop_job(session, job, JobState.CANCELLED)
    if job.state != JobState.CANCELLED:
        raise Conflict("job_finished", f"Job {job_id} is {job.state}; only an unfinished job can be cancelled.")
    return job


def retry_job(session: Session, tenant_id: str, job_id: str, *, chunk_size: int, ttl_hours: float) -> Job:
    """Run a finished job's failed items again, and only those.

    Raises:
        NotFound: `job_not_found`.
        Conflict: `job_not_finished`, or `nothing_to_retry`.
    """
    job = _locked(session, tenant_id, job_id)
    if not JobState(job.state).finished:
        raise Conflict("job_not_finished", f"Job {job_id} is {job.state}; wait until it has finished, or cancel it.")
    if job.failed == 0:
        raise Conflict("nothing_to_retry", f"Job {job_id} has no failed item.")
    now = session.execute(select(now_ms())).scalar_one()
    failed = (Result.job_id == job.id, Result.state == ItemState.FAILED)
    rows = session.execute(select(Result.seq, Result.item_id, Result.input).where(*failed).order_by(Result.seq))
    items = [InputItem(seq, item_id, *_only(given)) for seq, item_id, given in rows]
    idle = session.scalars(select(_some_pending(tenant_id, job.priority))).one() is None
    _insert_chunks(session, job, cut_chunks(items, chunk_size), now)
    session.execute(delete(Result).where(*failed))
    job.failed -= len(items)
    job.listings = sum(item.kind == "s3_prefix" for item in items)
    job.total -= job.listings  # a prefix counts as an item only once it has failed
    job.done_before = job.succeeded + job.failed + job.cancelled
    job.state, job.started_at, job.finished_at = JobState.QUEUED, None, None
    forget_pace(job)
    job.expires_at = now + round(ttl_hours * HOUR_MS)
    job.version += 1
    session.flush()
    note_change(session, job.id)
    if idle:
        _level_up(session, tenant_id, job.priority)
    return job


def delete_job(session: Session, tenant_id: str, job_id: str) -> None:
    """Hide a job at once and stop its work; the rows go soon after, a slice at a time. No webhook is sent.

    Raises:
        NotFound: `job_not_found`.
    """
    job = _locked(session, tenant_id, job_id, UNWRITTEN)
    now = session.execute(select(now_ms())).scalar_one()
    stop_chunks(session, job.id, UNWRITTEN, ChunkState.DONE)
    if not JobState(job.state).finished:
        job.cancelled = job.total - job.succeeded - job.failed
        job.state, job.finished_at = JobState.CANCELLED, now
    job.deleted_at = now
    job.version += 1
    session.flush()
    note_change(session, job.id)


def _only(given: dict[str, Any]) -> tuple[Any, str]:
    """The kind and ref of an input as results keep it: {"url": "https://..."}."""
    if "s3_prefix" in given:
        after = given.get("after", "")
        return "s3_prefix", PrefixState(given["s3_prefix"], int(bool(after)), after).ref
    [(kind, ref)] = given.items()
    return kind, ref
