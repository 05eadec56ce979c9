"""Claims and leases: who works on which chunk.

A claim is a conditional UPDATE that raises the chunk's token. Everything a worker does to the chunk later names that
token and changes nothing if the token has moved on (a fencing token: Kleppmann, "How to do distributed locking",
2016), so a worker that was believed dead can never store a second result.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import (
    BigInteger,
    BindParameter,
    ColumnElement,
    Integer,
    Row,
    Select,
    Update,
    bindparam,
    select,
    update,
)
from sqlalchemy.orm import Session
from sqlalchemy.sql.dml import ReturningUpdate

from core.inputs import InputItem, pack_items, unpack_items
from core.states import ChunkState, JobState, Priority
from db.changes import note_change
from db.clock import now_ms
from db.job_pace import note_wait
from db.locks import lock_chunks
from db.statements import run, table_of
from db.tables import Chunk, Job, Tenant

TENANTS_TRIED = 8
_CHUNKS, _JOBS, _TENANTS = table_of(Chunk), table_of(Job), table_of(Tenant)


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
    reuse: bool = False  # outputs of the ledger will do, and new ones go there
    library_run: int | None = None  # the number of the run that it is part of
    since: int = 0  # when it was claimed, milliseconds by the database's clock
    variants: Mapping[str, str] = field(default_factory=dict)  # by task, where the ledger tells variants apart


def claim_chunk(
    session: Session, *, queue: str, worker: str, lease_ms: int, priorities: Iterable[Priority] = Priority
) -> Claim | None:
    """Claim the chunk whose turn it is, or None if there is nothing to do.

    Interactive goes before bulk; among equals the tenant that has been served least at that priority; within a tenant
    the jobs take turns.

    Args:
        priorities: those that may be claimed, the most urgent first.
    """
    for priority in priorities:
        waiting = run(session, _WAITING_TENANTS[priority], its_queue=queue)
        for tenant_id in waiting.scalars().all():
            wanted = {"its_queue": queue, "its_priority": priority, "its_tenant": tenant_id}
            chunk = run(session, _TAKE, **wanted, its_worker=worker, lease_ms=lease_ms).one_or_none()
            if chunk is not None:
                return _claimed(session, chunk, lease_ms)
    return None


def anything_due(session: Session, queue: str, priorities: Iterable[Priority]) -> bool:
    """Whether a chunk of the queue can be claimed at one of the priorities."""
    return any(
        run(session, _ANY_DUE, its_queue=queue, its_priority=priority).first() is not None for priority in priorities
    )


def _waiting(priority: int | BindParameter[int]) -> tuple[ColumnElement[bool], ...]:
    """SQL: that a chunk can be claimed."""
    return (
        _CHUNKS.c.state == ChunkState.PENDING, _CHUNKS.c.queue == bindparam("its_queue"),
        _CHUNKS.c.priority == priority, _CHUNKS.c.due_at <= now_ms(),
    )  # fmt: skip


def _waiting_tenants(priority: int) -> Select[str]:
    """SQL: the least served tenants with a waiting chunk; some more than one, for others may be claiming them too.

    A scalar subquery and not EXISTS, and in the index's order: else PostgreSQL may read the whole backlog each time.
    """
    mine = select(_CHUNKS.c.id).where(*_waiting(priority), _CHUNKS.c.tenant_id == _TENANTS.c.id)
    first = mine.order_by(_CHUNKS.c.turn).limit(1).scalar_subquery()
    share = _TENANTS.c[Tenant.share(priority).key]
    return select(_TENANTS.c.id).where(first.is_not(None)).order_by(share, _TENANTS.c.id).limit(TENANTS_TRIED)


def _take() -> ReturningUpdate[Any]:
    """SQL: give the first waiting chunk of a tenant to a worker."""
    waiting = _waiting(bindparam("its_priority", type_=Integer))
    first = (
        select(_CHUNKS.c.id)
        .where(*waiting, _CHUNKS.c.tenant_id == bindparam("its_tenant"))
        .order_by(_CHUNKS.c.turn, _CHUNKS.c.id)
        .limit(1)
        .with_for_update(skip_locked=True)
        .scalar_subquery()
    )
    wanted = ("id", "token", "job_id", "tenant_id", "priority", "attempts", "size", "inputs", "lease_until")
    return (
        update(_CHUNKS)
        .where(_CHUNKS.c.id == first, _CHUNKS.c.state == ChunkState.PENDING)
        .values(
            state=ChunkState.LEASED,
            token=_CHUNKS.c.token + 1,
            attempts=_CHUNKS.c.attempts + 1,
            alone=False,
            worker=bindparam("its_worker"),
            lease_until=now_ms() + bindparam("lease_ms", type_=BigInteger),
        )
        .returning(*(_CHUNKS.c[name] for name in wanted))
    )


def _count_served(priority: int) -> Update:
    """SQL: add to what a tenant was given at a priority."""
    share = _TENANTS.c[Tenant.share(priority).key]
    counted = {share: share + bindparam("items", type_=BigInteger)}
    return update(_TENANTS).where(_TENANTS.c.id == bindparam("its_tenant")).values(counted)


_ANY_DUE = select(_CHUNKS.c.id).where(*_waiting(bindparam("its_priority", type_=Integer))).limit(1)
_WAITING_TENANTS = {priority: _waiting_tenants(priority) for priority in Priority}
_TAKE = _take()
_JOB = select(*(_JOBS.c[name] for name in ("tasks", "options", "models", "state", "reuse", "library_run"))).where(
    _JOBS.c.id == bindparam("its_job")
)
_BEGIN_JOB = (
    update(_JOBS)
    .where(_JOBS.c.id == bindparam("its_job"), _JOBS.c.state == JobState.QUEUED)
    .values(state=JobState.RUNNING, started_at=now_ms(), version=_JOBS.c.version + 1)
)
_COUNT_SERVED = {priority: _count_served(priority) for priority in Priority}


def _claimed(session: Session, chunk: Row[Any], lease_ms: int) -> Claim:
    job = run(session, _JOB, its_job=chunk.job_id).one()
    if job.state == JobState.QUEUED:
        run(session, _BEGIN_JOB, its_job=chunk.job_id)
        note_change(session, chunk.job_id)
    _count(session, chunk.tenant_id, chunk.priority, chunk.size)
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
        reuse=job.reuse,
        library_run=job.library_run,
        since=(chunk.lease_until or 0) - lease_ms,
    )


def renew_leases(session: Session, held: Sequence[tuple[int, int]], *, lease_ms: int) -> set[int]:
    """Extend the leases of (chunk id, token) pairs; returns the ids that are still ours."""
    if not held:
        return set()
    # By id alone, and what is not ours any more is left out then: of pairs IN pairs SQLite reads all chunks, and of
    # hundreds of pairs in a row it says that this is too much.
    locked = lock_chunks(session, Chunk.id.in_([chunk_id for chunk_id, _ in held]), Chunk.state == ChunkState.LEASED)
    found = session.execute(select(Chunk.id, Chunk.token).where(Chunk.id.in_(locked)))
    wanted = set(held)
    ours = {chunk_id for chunk_id, token in found if (chunk_id, token) in wanted}
    session.execute(update(Chunk).where(Chunk.id.in_(ours)).values(lease_until=now_ms() + lease_ms))
    return ours


def release_chunk(session: Session, claim: Claim, *, delay_ms: int = 0, hosts_ask: bool = True) -> None:
    """Give a chunk back unfinished; it does not count as an attempt, nor as work done for its tenant.

    Args:
        delay_ms: nobody claims it before.
        hosts_ask: that is because its hosts asked to be left alone, and not to make room.
    """
    released = session.execute(
        update(Chunk)
        .where(Chunk.id == claim.chunk_id, Chunk.token == claim.token, Chunk.state == ChunkState.LEASED)
        .values(
            state=ChunkState.PENDING,
            attempts=Chunk.attempts - 1,
            worker=None,
            lease_until=None,
            due_at=now_ms() + delay_ms,
        )
    )
    if released.rowcount:  # type: ignore[attr-defined]
        if delay_ms and hosts_ask:
            note_wait(session, claim.chunk_id, claim.job_id)
        _count(session, claim.tenant_id, claim.priority, -len(claim.items))


def _count(session: Session, tenant_id: str, priority: int, items: int) -> None:
    """Note that a tenant was given that much of the workers' time, or gave it back."""
    run(session, _COUNT_SERVED[Priority(priority)], its_tenant=tenant_id, items=items)


def chunk_values(items: Sequence[InputItem]) -> dict[str, Any]:
    """The columns of a chunk that say which items it holds."""
    return {
        "first_seq": items[0].seq,
        "last_seq": items[-1].seq,
        "size": len(items),
        "inputs": pack_items(items),
    }


def mark_alone(session: Session, claim: Claim) -> None:
    """Note that this chunk is all its worker has in hand: if the worker dies now, the chunk is to blame."""
    session.execute(
        update(Chunk)
        .where(Chunk.id == claim.chunk_id, Chunk.token == claim.token, Chunk.state == ChunkState.LEASED)
        .values(alone=True)
    )
