"""Where a new job's chunks stand among those that wait: within their tenant, and their tenant among others."""

from __future__ import annotations

from typing import Any, NamedTuple

from sqlalchemy import BigInteger, BindParameter, ColumnElement, Select, Update, bindparam, func, select, update
from sqlalchemy.orm import Session

from core.states import ChunkState, Priority
from core.tasks import QUEUES
from db.clock import now_ms
from db.statements import run, table_of
from db.tables import Chunk, Job, Tenant

_CHUNKS, _TENANTS = table_of(Chunk), table_of(Tenant)


class QueueNow(NamedTuple):
    """A tenant's queue as a job finds it.

    Attributes:
        now: milliseconds by the database's clock.
        pending: some chunk of the tenant that waits at the job's priority; None if it is idle there.
        turn: the lowest among those that wait in the job's queue, if any do.
    """

    now: int
    pending: int | None
    turn: int | None


def look_at_queue(session: Session, job: Job) -> QueueNow:
    """The queue that a job's chunks are about to join."""
    mine = {"its_tenant": job.tenant_id, "its_queue": job.queue}
    found = run(session, _QUEUE_NOW[Priority(job.priority)], **mine).one()
    return QueueNow(found.now, found.pending, found.turn)


def level_up(session: Session, tenant_id: str, priority: int) -> None:
    """Start a tenant that was idle level with the others: the least served busy one or, if none is busy, the most
    served of all. Otherwise whoever comes new, or back after a month, would go first until they have had as much
    (start-time fair queueing, Goyal et al. 1996). Last in its transaction, because it locks the tenant's row.
    """
    level = run(session, _LEVEL[Priority(priority)], its_tenant=tenant_id).scalar_one()
    if level is not None:
        run(session, _RAISE_TO[Priority(priority)], its_tenant=tenant_id, level=level)


def _some_pending(tenant_id: ColumnElement[str] | BindParameter[str], priority: int) -> ColumnElement[int | None]:
    """SQL: the id of some pending chunk of a tenant's at a priority, or null.

    One probe of the index of pending chunks for each queue, by which and by the priority it begins; without them, or
    with EXISTS, the whole backlog would be read. So it would without the order, by a planner that knows of one tenant
    only and expects to meet a chunk of any other as soon.
    """
    probes = [
        select(_CHUNKS.c.id)
        .where(
            _CHUNKS.c.state == ChunkState.PENDING, _CHUNKS.c.queue == queue, _CHUNKS.c.priority == priority,
            _CHUNKS.c.tenant_id == tenant_id,
        )
        .order_by(_CHUNKS.c.turn)
        .limit(1)
        .scalar_subquery()
        for queue in QUEUES
    ]  # fmt: skip
    return func.coalesce(*probes)


def _queue_now(priority: int) -> Select[Any]:
    """SQL: a `QueueNow`."""
    tenant: BindParameter[str] = bindparam("its_tenant")
    same = (_CHUNKS.c.queue == bindparam("its_queue"), _CHUNKS.c.priority == priority, _CHUNKS.c.tenant_id == tenant)
    turn = select(func.min(_CHUNKS.c.turn)).where(_CHUNKS.c.state == ChunkState.PENDING, *same).scalar_subquery()
    return select(now_ms().label("now"), _some_pending(tenant, priority).label("pending"), turn.label("turn"))


def _level(priority: int) -> Select[Any]:
    """SQL: what the least served busy tenant but one was given at a priority or, if none is busy, the most served."""
    share = _TENANTS.c[Tenant.share(priority).key]
    others = _TENANTS.c.id != bindparam("its_tenant")
    busy = select(share).where(others, _some_pending(_TENANTS.c.id, priority).is_not(None)).order_by(share).limit(1)
    most = select(func.max(share)).where(others)
    return select(func.coalesce(busy.scalar_subquery(), most.scalar_subquery()))


def _raise_to(priority: int) -> Update:
    """SQL: count at least `level` for a tenant."""
    share, level = _TENANTS.c[Tenant.share(priority).key], bindparam("level", type_=BigInteger)
    return update(_TENANTS).where(_TENANTS.c.id == bindparam("its_tenant"), share < level).values({share: level})


_QUEUE_NOW = {priority: _queue_now(priority) for priority in Priority}
_LEVEL = {priority: _level(priority) for priority in Priority}
_RAISE_TO = {priority: _raise_to(priority) for priority in Priority}
