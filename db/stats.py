"""What a person on call asks of the database: how much waits, for how long, what became of the rest."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from core.states import ChunkState, DeliveryState, JobState
from db.clock import now_ms
from db.tables import Chunk, Delivery, Job


@dataclass(frozen=True, slots=True)
class Waiting:
    """The backlog of one queue at one priority, or what is being worked on."""

    queue: str
    priority: int
    state: str
    chunks: int
    items: int
    oldest_s: float


def backlog(session: Session) -> list[Waiting]:
    """Pending and leased chunks by queue and priority, with the age of the oldest in seconds."""
    rows = session.execute(
        select(
            Chunk.queue,
            Chunk.priority,
            Chunk.state,
            func.count(),
            func.sum(Chunk.size),
            now_ms() - func.min(Chunk.created_at),
        )
        .where(Chunk.state.in_([ChunkState.PENDING, ChunkState.LEASED]))
        .group_by(Chunk.queue, Chunk.priority, Chunk.state)
    )
    return [Waiting(q, p, s, n, int(items), max(0.0, age / 1000)) for q, p, s, n, items, age in rows]


def pending_chunks(session: Session, queue: str) -> int:
    """The number of chunks of a queue that could be claimed now."""
    due = (Chunk.state == ChunkState.PENDING, Chunk.queue == queue, Chunk.due_at <= now_ms())
    return session.execute(select(func.count()).select_from(Chunk).where(*due)).scalar_one()


def open_jobs(session: Session) -> dict[str, int]:
    """The number of queued and of running jobs."""
    rows = session.execute(
        select(Job.state, func.count())
        .where(Job.state.in_([JobState.QUEUED, JobState.RUNNING]), Job.deleted_at.is_(None))
        .group_by(Job.state)
    )
    return {row[0]: row[1] for row in rows}


def open_deliveries(session: Session) -> int:
    """The number of webhooks not yet delivered or given up."""
    states = [DeliveryState.PENDING, DeliveryState.SENDING]
    return session.execute(select(func.count()).select_from(Delivery).where(Delivery.state.in_(states))).scalar_one()


def database_bytes(session: Session) -> int:
    """What the database takes on its disk, without a log that is still to be written into it."""
    if session.get_bind().dialect.name == "sqlite":
        pages = session.execute(text("PRAGMA page_count")).scalar_one()
        return int(pages) * int(session.execute(text("PRAGMA page_size")).scalar_one())
    return int(session.execute(text("SELECT pg_database_size(current_database())")).scalar_one())


def lapsed_leases(session: Session) -> bool:
    """Whether a worker let a lease lapse."""
    lapsed = (Chunk.state == ChunkState.LEASED, Chunk.lease_until < now_ms())
    return session.scalars(select(Chunk.id).where(*lapsed).limit(1)).first() is not None


def cancelled_chunks(session: Session) -> bool:
    """Whether cancelled items wait for their rows."""
    return session.scalars(select(Chunk.id).where(Chunk.state == ChunkState.CANCELLED).limit(1)).first() is not None
