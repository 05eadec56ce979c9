"""How the service is, as whoever is woken by it wants to know: read from the database, the broker and the disk."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass

from redis.exceptions import RedisError

from api.probes.health import readiness
from api.services import Services
from core.states import ChunkState, Priority
from core.tasks import QUEUES
from db import stats
from db.clock import current_ms
from db.outbox import oldest_due_ms
from db.throughput import Minute, finished_by_worker, last_minutes
from db.workers import SeenWorker, list_workers


@dataclass(frozen=True, slots=True)
class Queue:
    """What waits on a queue at one priority, and what is in hand.

    Attributes:
        oldest_s: since when the oldest of what waits has waited; None if nothing does.
    """

    name: str
    priority: str
    waiting_items: int
    waiting_chunks: int
    running_items: int
    oldest_s: float | None


@dataclass(frozen=True, slots=True)
class SystemState:
    """Everything that the page and its warnings go by.

    Attributes:
        checks: those of /readyz.
        finished: items of each worker within the last hour.
        messages: in the broker, by queue; None if it does not answer.
        webhooks_late_s: for how long the webhook that is due longest has been due; None if none is.
        disk_free, disk_total: of the data folder's disk, in bytes; None if it cannot be looked at.
    """

    checks: dict[str, str]
    workers: Sequence[SeenWorker]
    finished: dict[str, int]
    queues: Sequence[Queue]
    messages: dict[str, int] | None
    minutes: Sequence[Minute]
    open_jobs: dict[str, int]
    webhooks: int
    webhooks_late_s: float | None
    database_bytes: int
    disk_free: int | None
    disk_total: int | None

    @property
    def alive(self) -> int:
        return sum(worker.alive for worker in self.workers)

    @property
    def waiting(self) -> int:
        """Items that nobody has taken yet."""
        return sum(queue.waiting_items for queue in self.queues)

    def finished_within(self, minutes: int) -> int:
        """Items finished in the last so many minutes, the present one included."""
        return sum(minute.succeeded + minute.failed for minute in self.minutes[-minutes:])


def system_state(services: Services) -> SystemState:
    """Look at everything once."""
    with services.database.read() as session:
        due, now = oldest_due_ms(session), current_ms(session)
        free, total = _disk(services)
        return SystemState(
            checks=readiness(),
            workers=list_workers(session),
            finished=finished_by_worker(session),
            queues=_queues(stats.backlog(session)),
            messages=_messages(services),
            minutes=last_minutes(session),
            open_jobs=stats.open_jobs(session),
            webhooks=stats.open_deliveries(session),
            webhooks_late_s=None if due is None else max(0, now - due) / 1000,
            database_bytes=stats.database_bytes(session),
            disk_free=free,
            disk_total=total,
        )


def _queues(backlog: Sequence[stats.Waiting]) -> list[Queue]:
    found = {(row.queue, row.priority, row.state): row for row in backlog}
    queues = []
    for name in QUEUES:
        for priority in Priority:
            waits = found.get((name, priority, ChunkState.PENDING))
            runs = found.get((name, priority, ChunkState.LEASED))
            items, chunks = (waits.items, waits.chunks) if waits else (0, 0)
            oldest = waits.oldest_s if waits else None
            queues.append(Queue(name, priority.name.lower(), items, chunks, runs.items if runs else 0, oldest))
    return queues


def _messages(services: Services) -> dict[str, int] | None:
    try:
        return {queue: services.doorbell.length(queue) for queue in QUEUES}
    except RedisError:
        return None


def _disk(services: Services) -> tuple[int | None, int | None]:
    try:
        usage = shutil.disk_usage(services.settings.data_dir)
    except OSError:
        return None, None
    return usage.free, usage.total
