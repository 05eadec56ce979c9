"""Claims and leases: who works on which chunk, and the one transaction that stores what came of it.

A claim is a conditional UPDATE that raises the chunk's token. Everything a worker does to the chunk later
names that token and changes nothing if the token has moved on (a fencing token: Kleppmann, "How to do
distributed locking", 2016), so a worker that was believed dead can never store a second result.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import insert, select, tuple_, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from core.errors import ItemError, LeaseLost
from core.inputs import InputItem, ItemResult, cut_chunks, unpack_items
from core.states import ChunkState, JobState, Priority
from db.clock import now_ms
from db.jobs import finish_if_done
from db.tables import Chunk, Job, Result, Tenant

log = logging.getLogger(__name__)

TENANTS_TRIED = 8
MESSAGE_CHARS = 1000


@dataclass(frozen=True, slots=True)
class Claim:
    """A chunk that is ours until its lease ends, with what is needed to run it."""

    chunk_id: int
    token: int
    job_id: str
    tenant_id: str
    priority: int
    attempts: int  # this one included
    tasks: tuple[str, ...]
    options: dict[str, dict[str, Any]]
    models: dict[str, str]
    items: list[InputItem]


def claim_chunk(session: Session, *, queue: str, worker: str, lease_ms: int) -> Claim | None:
    """Claim the chunk whose turn it is, or None if there is nothing to do.

    Interactive goes before bulk; among equals the tenant that has been served least; within a tenant the jobs take
    turns.
    """
    for priority in Priority:
        for tenant_id in _waiting_tenants(session, queue, priority):
            chunk = _take(session, queue, priority, tenant_id, worker, lease_ms)
            if chunk is not None:
                return _claimed(session, chunk)
    return None


def _waiting_tenants(session: Session, queue: str, priority: int) -> Sequence[str]:
    """The least served tenants with a waiting chunk; some more than one, for others may be claiming them too.

    A scalar subquery and not EXISTS: PostgreSQL would turn that into a scan of the whole backlog for each claim.
    """
    first = (
        select(Chunk.id)
        .where(
            Chunk.state == ChunkState.PENDING,
            Chunk.queue == queue,
            Chunk.priority == priority,
            Chunk.tenant_id == Tenant.id,
        )
        .limit(1)
        .scalar_subquery()
    )
    waiting = select(Tenant.id).where(first.is_not(None)).order_by(Tenant.served, Tenant.id)
    return session.scalars(waiting.limit(TENANTS_TRIED)).all()


def _take(session: Session, queue: str, priority: int, tenant_id: str, worker: str, lease_ms: int) -> Chunk | None:
    first = (
        select(Chunk.id)
        .where(
            Chunk.state == ChunkState.PENDING,
            Chunk.queue == queue,
            Chunk.priority == priority,
            Chunk.tenant_id == tenant_id,
        )
        .order_by(Chunk.turn, Chunk.id)
        .limit(1)
        .with_for_update(skip_locked=True)
        .scalar_subquery()
    )
    return session.scalars(
        update(Chunk)
        .where(Chunk.id == first, Chunk.state == ChunkState.PENDING)
        .values(
            state=ChunkState.LEASED,
            token=Chunk.token + 1,
            attempts=Chunk.attempts + 1,
            alone=False,
            worker=worker,
            lease_until=now_ms() + lease_ms,
        )
        .returning(Chunk)
        .execution_options(synchronize_session=False, populate_existing=True)
    ).one_or_none()


def _claimed(session: Session, chunk: Chunk) -> Claim:
    job = session.execute(select(Job.tasks, Job.options, Job.models, Job.state).where(Job.id == chunk.job_id)).one()
    if job.state == JobState.QUEUED:
        session.execute(
            update(Job)
            .where(Job.id == chunk.job_id, Job.state == JobState.QUEUED)
            .values(state=JobState.RUNNING, started_at=now_ms(), version=Job.version + 1)
        )
    session.execute(update(Tenant).where(Tenant.id == chunk.tenant_id).values(served=Tenant.served + chunk.size))
    return Claim(
        chunk_id=chunk.id,
        token=chunk.token,
        job_id=chunk.job_id,
        tenant_id=chunk.tenant_id,
        priority=chunk.priority,
        attempts=chunk.attempts,
        tasks=tuple(job.tasks),
        options=job.options,
        models=job.models,
        items=unpack_items(chunk.inputs),
    )


def renew_leases(session: Session, held: Sequence[tuple[int, int]], *, lease_ms: int) -> set[int]:
    """Extend the leases of (chunk id, token) pairs; returns the ids that are still ours."""
    if not held:
        return set()
    ours = session.scalars(
        update(Chunk)
        .where(tuple_(Chunk.id, Chunk.token).in_(held), Chunk.state == ChunkState.LEASED)
        .values(lease_until=now_ms() + lease_ms)
        .returning(Chunk.id)
    )
    return set(ours)


def release_chunk(session: Session, claim: Claim) -> None:
    """Give a chunk back unfinished, as a worker does that is asked to stop; it does not count as an attempt."""
    session.execute(
        update(Chunk)
        .where(Chunk.id == claim.chunk_id, Chunk.token == claim.token, Chunk.state == ChunkState.LEASED)
        .values(state=ChunkState.PENDING, attempts=Chunk.attempts - 1, worker=None, lease_until=None)
    )


def mark_alone(session: Session, claim: Claim) -> None:
    """Note that this chunk is all its worker has in hand: if the worker dies now, the chunk is to blame."""
    session.execute(
        update(Chunk)
        .where(Chunk.id == claim.chunk_id, Chunk.token == claim.token, Chunk.state == ChunkState.LEASED)
        .values(alone=True)
    )


def store_results(session: Session, claim: Claim, results: Sequence[ItemResult]) -> None:
    """Store what came of a chunk: its state, its results, the job's counters and, at the end, the webhook.

    Raises:
        LeaseLost: the chunk is no longer ours; nothing was stored.
        ValueError: the results are not exactly the chunk's items.
    """
    if [result.item.seq for result in results] != [item.seq for item in claim.items]:
        raise ValueError(f"chunk {claim.chunk_id}: results do not match the items")
    fenced = session.execute(
        update(Chunk)
        .where(Chunk.id == claim.chunk_id, Chunk.token == claim.token, Chunk.state == ChunkState.LEASED)
        .values(state=ChunkState.DONE, lease_until=None)
    )
    if fenced.rowcount != 1:  # type: ignore[attr-defined]
        raise LeaseLost(claim.chunk_id)
    write_results(session, claim.job_id, results)
    finish_if_done(session, claim.job_id)


def write_results(session: Session, job_id: str, results: Sequence[ItemResult]) -> None:
    """Insert the rows and count them on the job."""
    insert_rows(session, job_id, results)
    failed = sum(result.error is not None for result in results)
    session.execute(
        update(Job)
        .where(Job.id == job_id)
        .values(
            succeeded=Job.succeeded + len(results) - failed,
            failed=Job.failed + failed,
            version=Job.version + 1,
        )
    )


def insert_rows(session: Session, job_id: str, results: Sequence[ItemResult]) -> None:
    """Insert results without counting them."""
    now = session.execute(select(now_ms())).scalar_one()
    session.execute(insert(Result), [_row(job_id, result, now) for result in results])


def _row(job_id: str, result: ItemResult, now: int) -> dict[str, Any]:
    error = result.error
    return {
        "job_id": job_id,
        "seq": result.item.seq,
        "item_id": result.item.id,
        "state": result.state,
        "input": result.item.public(),
        "outputs": result.outputs,
        "media": result.media,
        "error_code": error.code if error else None,
        "error_message": _storable(error.message) if error else None,
        "error_permanent": error.permanent if error else None,
        "finished_at": now,
    }


def _storable(message: str) -> str:
    """A message that may quote a library or a stranger's bytes, fit for PostgreSQL: no NUL, no surrogates, not long."""
    clean = message[:MESSAGE_CHARS].replace("\0", "\N{REPLACEMENT CHARACTER}")
    return clean.encode("utf-8", "replace").decode("utf-8")


def reap_leases(session: Session, *, max_attempts: int, limit: int = 100, worker: str | None = None) -> list[int]:
    """Take back the chunks of workers that fell silent; returns their ids.

    A chunk whose workers died `max_attempts` times is run alone from then on. If its worker dies even so, it is cut
    in two, again and again, until the item that kills workers is found; that one fails with `worker_crashed`.

    Args:
        worker: take back this worker's chunks whatever their lease, because it is known to be gone.
    """
    gone = Chunk.worker == worker if worker is not None else Chunk.lease_until < now_ms()
    lapsed = session.scalars(
        select(Chunk)
        .where(Chunk.state == ChunkState.LEASED, gone)
        .order_by(Chunk.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    ).all()
    for chunk in lapsed:
        try:
            with session.begin_nested():
                _take_back(session, chunk, max_attempts)
        except SQLAlchemyError:  # one chunk that cannot be written must not keep the others
            log.exception("a chunk cannot be taken back", extra={"chunk": chunk.id})
    return [chunk.id for chunk in lapsed]


def _take_back(session: Session, chunk: Chunk, max_attempts: int) -> None:
    guilty = chunk.alone and chunk.attempts >= max_attempts
    chunk.token += 1
    chunk.worker = chunk.lease_until = None
    chunk.alone = False
    if not guilty:
        chunk.state = ChunkState.PENDING
    elif chunk.size > 1:
        _split(session, chunk, max_attempts)
    else:
        _fail_alone(session, chunk)
    session.flush()


def _split(session: Session, chunk: Chunk, max_attempts: int) -> None:
    items = unpack_items(chunk.inputs)
    chunk.state = ChunkState.DONE
    for part in cut_chunks(items, (len(items) + 1) // 2):
        session.add(
            Chunk(
                job_id=chunk.job_id, tenant_id=chunk.tenant_id, queue=chunk.queue, priority=chunk.priority,
                first_seq=part.first_seq, last_seq=part.last_seq, size=part.size, inputs=part.blob,
                state=ChunkState.PENDING, token=0, attempts=max_attempts - 1, alone=False,
                turn=chunk.turn, created_at=chunk.created_at,
            )
        )  # fmt: skip


def _fail_alone(session: Session, chunk: Chunk) -> None:
    chunk.state = ChunkState.DONE
    session.flush()
    error = ItemError("worker_crashed", "The worker died each time it was given this input; look at the input.")
    results = [ItemResult(item, error=error) for item in unpack_items(chunk.inputs)]
    write_results(session, chunk.job_id, results)
    finish_if_done(session, chunk.job_id)
