"""Jobs: making one, reading it, and the moves from one state to the next that are not a worker's."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import Any

from sqlalchemy import BindParameter, ColumnElement, bindparam, delete, insert, select, update
from sqlalchemy.orm import Session

from core.errors import Conflict, NotFound
from core.inputs import InputItem, PackedChunk, PrefixState, cut_chunks, groups
from core.states import ChunkState, ItemState, JobState
from db.announce import announce_finish
from db.changes import note_change
from db.clock import current_ms
from db.job_pace import forget_pace
from db.locks import UNFINISHED, lock_job, lock_job_and_chunks
from db.queue_places import QueueNow, level_up, look_at_queue
from db.statements import table_of
from db.tables import Chunk, Job, Result
from db.upload_uses import note_uses

HOUR_MS = 3_600_000
FIRST_VERSION = 1  # of a job that is queued for the first time
INSERT_ROWS = 500
_INSERT_CHUNK = insert(table_of(Chunk))
UNWRITTEN = (*UNFINISHED, ChunkState.CANCELLED)  # chunks whose items have no rows yet


def create_job(session: Session, job: Job, chunks: Iterable[PackedChunk], *, ttl_hours: float) -> Job:
    """Write a job and its chunks; together they appear at the commit, or not at all.

    Args:
        job: a new row that says what is asked for; state, counters and times are filled in here.
        chunks: in order; see `cut_chunks`.
        ttl_hours: after this long an unfinished job expires.
    """
    queue = look_at_queue(session, job)
    job.state, job.version = JobState.QUEUED, FIRST_VERSION
    job.total = job.succeeded = job.failed = job.cancelled = 0
    job.created_at, job.expires_at = queue.now, queue.now + round(ttl_hours * HOUR_MS)
    session.add(job)
    session.flush()
    job.listings = job.next_seq = 0
    job.total = _insert_chunks(session, job, _noted(job, chunks), queue)
    session.flush()
    if queue.pending is None:
        level_up(session, job.tenant_id, job.priority)
    return job


def _noted(job: Job, chunks: Iterable[PackedChunk]) -> Iterator[PackedChunk]:
    """The chunks, with what the job has to know of them noted on it."""
    for chunk in chunks:
        job.listings += not chunk.size
        job.next_seq = max(job.next_seq, chunk.last_seq + 1)
        yield chunk


def _insert_chunks(session: Session, job: Job, chunks: Iterable[PackedChunk], queue: QueueNow) -> int:
    """Write chunks, and which uploads they name; returns the number of items. The job's row must be there.

    Within a tenant chunks take turns by number: a job's first chunk stands where the tenant's queue is now, so that
    a small job does not wait for the whole of a big one before it.
    """
    turn, total = queue.turn or 0, 0
    for group in groups(chunks, INSERT_ROWS):
        rows = [
            {
                "job_id": job.id, "tenant_id": job.tenant_id, "queue": job.queue, "priority": job.priority,
                "turn": turn + number, "first_seq": chunk.first_seq, "last_seq": chunk.last_seq,
                "size": chunk.size, "inputs": chunk.blob, "state": ChunkState.PENDING,
                "token": 0, "attempts": 0, "alone": False, "created_at": queue.now,
            }
            for number, chunk in enumerate(group)
        ]  # fmt: skip
        session.connection().execute(_INSERT_CHUNK, rows)
        note_uses(session, job, {upload for chunk in group for upload in chunk.uploads})
        turn += len(rows)
        total += sum(chunk.size for chunk in group)
    return total


def _visible(tenant_id: str | BindParameter[str]) -> tuple[ColumnElement[bool], ...]:
    """The jobs that a tenant has: neither deleted, nor part of a library's run."""
    return (Job.tenant_id == tenant_id, Job.deleted_at.is_(None), Job.library_run.is_(None))


_FIND = select(Job).where(*_visible(bindparam("its_tenant")), Job.id == bindparam("its_id"))
_ANEW = select(Job).where(Job.id == bindparam("its_id")).execution_options(populate_existing=True)


def find_job(session: Session, tenant_id: str, job_id: str) -> Job:
    """A tenant's job.

    Raises:
        NotFound: `job_not_found`, also for somebody else's job.
    """
    job = session.scalars(_FIND, {"its_tenant": tenant_id, "its_id": job_id}).one_or_none()
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
    job = session.scalars(_ANEW, {"its_id": job_id}).one()
    if JobState(job.state).finished or job.listings or job.succeeded + job.failed + job.cancelled < job.total:
        return
    close_job(session, job, JobState.COMPLETED if job.succeeded else JobState.FAILED)


def close_job(session: Session, job: Job, state: JobState) -> None:
    """Move a job into a final state and put its webhook into the outbox."""
    job.state = state
    job.finished_at = current_ms(session)
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
    failed = (Result.job_id == job.id, Result.state == ItemState.FAILED)
    rows = session.execute(select(Result.seq, Result.item_id, Result.input).where(*failed).order_by(Result.seq))
    items = [InputItem(seq, item_id, *_only(given)) for seq, item_id, given in rows]
    queue = look_at_queue(session, job)
    _insert_chunks(session, job, cut_chunks(items, chunk_size), queue)
    session.execute(delete(Result).where(*failed))
    job.failed -= len(items)
    job.listings = sum(item.kind == "s3_prefix" for item in items)
    job.total -= job.listings  # a prefix counts as an item only once it has failed
    job.done_before = job.succeeded + job.failed + job.cancelled
    job.state, job.started_at, job.finished_at = JobState.QUEUED, None, None
    forget_pace(job)
    job.expires_at = queue.now + round(ttl_hours * HOUR_MS)
    job.version += 1
    session.flush()
    note_change(session, job.id)
    if queue.pending is None:
        level_up(session, tenant_id, job.priority)
    return job


def delete_job(session: Session, tenant_id: str, job_id: str) -> None:
    """Hide a job at once and stop its work; the rows go soon after, a slice at a time. No webhook is sent.

    Raises:
        NotFound: `job_not_found`.
    """
    job = _locked(session, tenant_id, job_id, UNWRITTEN)
    now = current_ms(session)
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
