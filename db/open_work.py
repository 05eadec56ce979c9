"""What is still to be done, and how fast it goes: read at once, for telling how long jobs will take.

From the jobs' own counters, never by counting chunks: a job of a million items has some 16,000 of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

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
        left: items that are not finished.
        in_hand: those of them that workers have claimed.
        served: items that were claimed for its tenant at its priority; the tenant with least goes first.
    """

    id: str
    tenant_id: str
    queue: str
    priority: int
    kind: str
    left: int
    in_hand: int
    served: int

    @property
    def waiting(self) -> int:
        """Items that nobody has claimed yet."""
        return max(0, self.left - self.in_hand)


@dataclass(frozen=True, slots=True)
class OpenWork:
    """All open jobs at one time.

    Attributes:
        workers: how many live.
        item_s: seconds of one worker for an item, by kind; of every kind that has been measured.
    """

    jobs: tuple[OpenJob, ...]
    workers: int
    item_s: Mapping[str, float]


def job_kind(job: Job) -> str:
    """The kind of a job's work; see `core.work_kinds`."""
    return work_kind(job.tasks, job.priority, reuse=job.reuse or job.library_run is not None)


def open_work(session: Session, item_s: Mapping[str, float]) -> OpenWork | None:
    """What is to be done now; None if it is more than `MOST_JOBS` jobs.

    Args:
        item_s: see `db.throughput.seconds_per_item`.
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
    jobs = tuple(
        OpenJob(
            row.id, row.tenant_id, row.queue, row.priority,
            kind=work_kind(row.tasks, row.priority, reuse=row.reuse or row.library_run is not None),
            left=row.left, in_hand=held[row.id],
            served=row.served_interactive if row.priority == Priority.INTERACTIVE else row.served,
        )
        for row in rows
    )  # fmt: skip
    return OpenWork(jobs, count_alive(session), item_s)


def _in_hand(session: Session) -> Counter[str]:
    """Items that are claimed, by job: of as many chunks as all workers hold.

    Added up here, and by their leases: to group by job SQLite would walk through all the chunks there are.
    """
    held: Counter[str] = Counter()
    leased = (Chunk.state == ChunkState.LEASED, Chunk.lease_until > 0)
    for job_id, size in session.execute(select(Chunk.job_id, Chunk.size).where(*leased)):
        held[job_id] += size
    return held
