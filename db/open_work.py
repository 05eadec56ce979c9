"""What is still to be done, and how fast it goes: read at once, for telling how long jobs will take.

From the jobs' own counters, never by counting chunks: a job of a million items has some 16,000 of them.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.states import ChunkState, JobState, Priority
from core.work_kinds import work_kind
from db.tables import Chunk, Job, Tenant
from db.workers import count_alive

MOST_JOBS = 10_000  # beyond that to read them all would cost more than to know is worth


@dataclass(frozen=True, slots=True)
class OpenJob:
    """A job that is queued or running.

    Attributes:
        in_hand: items that workers have claimed.
        waiting: items that nobody has claimed yet.
        served: items that were claimed for its tenant at its priority; the tenant with least goes first.
    """

    tenant_id: str
    queue: str
    priority: int
    kind: str
    in_hand: int
    waiting: int
    served: int

    @property
    def group(self) -> tuple[Any, ...]:
        """What the jobs have in common that are told of together."""
        return self.queue, self.priority, self.tenant_id, self.kind, self.served


class OpenGroup:
    """All open jobs of a tenant, queue, priority and kind, added up once: many ask what is ahead of them.

    Attributes:
        in_hand, waiting: items of all of them.
    """

    def __init__(self, jobs: Sequence[OpenJob]) -> None:
        self.queue, self.priority, self.tenant_id, self.kind, self.served = jobs[0].group
        self.in_hand = sum(job.in_hand for job in jobs)
        self._waiting = sorted(job.waiting for job in jobs)
        self._sums = list(accumulate(self._waiting, initial=0))

    @property
    def waiting(self) -> int:
        return self._sums[-1]

    def within(self, turns: int) -> int:
        """Items that wait and are claimed by the time that each of the jobs has been given so many."""
        smaller = bisect_left(self._waiting, turns)
        return self._sums[smaller] + turns * (len(self._waiting) - smaller)


@dataclass(frozen=True, slots=True)
class OpenWork:
    """All open jobs at one time.

    Attributes:
        jobs: by id.
        groups: the same jobs, added up.
        workers: how many live.
        item_s: seconds of one worker for an item, by kind; of every kind that has been measured.
        chunk_of: items of a chunk, by queue.
    """

    jobs: Mapping[str, OpenJob]
    groups: Sequence[OpenGroup]
    workers: int
    item_s: Mapping[str, float]
    chunk_of: Callable[[str], int]


def open_work(session: Session, item_s: Mapping[str, float], chunk_of: Callable[[str], int]) -> OpenWork | None:
    """What is to be done now; None if it is more than `MOST_JOBS` jobs.

    Args:
        item_s: see `db.throughput.seconds_per_item`.
        chunk_of: see `Settings.chunk_of`.
    """
    left = Job.total - Job.succeeded - Job.failed - Job.cancelled
    columns = (Job.id, Job.tenant_id, Job.queue, Job.priority, Job.tasks, Job.reuse, Job.library_run)
    query = (
        select(*columns, left.label("left"), Tenant.served, Tenant.served_interactive)
        .join(Tenant, Tenant.id == Job.tenant_id)
        .where(Job.state.in_((JobState.QUEUED, JobState.RUNNING)), Job.deleted_at.is_(None))
    )
    rows = session.execute(query.limit(MOST_JOBS + 1)).all()
    if len(rows) > MOST_JOBS:
        return None
    held = _in_hand(session)
    jobs = {row.id: _open_job(row, held[row.id]) for row in rows}
    groups: defaultdict[tuple[Any, ...], list[OpenJob]] = defaultdict(list)
    for job in jobs.values():
        groups[job.group].append(job)
    return OpenWork(jobs, [OpenGroup(alike) for alike in groups.values()], count_alive(session), item_s, chunk_of)


def _open_job(row: Any, held: int) -> OpenJob:
    in_hand = min(held, row.left)
    return OpenJob(
        row.tenant_id, row.queue, row.priority,
        kind=work_kind(row),
        in_hand=in_hand, waiting=row.left - in_hand,
        served=row.served_interactive if row.priority == Priority.INTERACTIVE else row.served,
    )  # fmt: skip


def _in_hand(session: Session) -> Counter[str]:
    """Items that are claimed, by job: of as many chunks as all workers hold.

    Added up here, and by their leases: to group by job SQLite would walk through all the chunks there are.
    """
    held: Counter[str] = Counter()
    leased = (Chunk.state == ChunkState.LEASED, Chunk.lease_until > 0)
    for job_id, size in session.execute(select(Chunk.job_id, Chunk.size).where(*leased)):
        held[job_id] += size
    return held
