"""Creating jobs: rows in one transaction; workers are rung after its commit, before which they would find nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from core.broker import Doorbell
from core.inputs import PackedChunk
from core.settings import Settings
from db import jobs
from db.engine import Database, Session
from db.tables import Job
from jobs.plan import INTERACTIVE_UP_TO, JobPlan

FOR_EVER_HOURS = 1_000_000.0


@dataclass(slots=True)
class Orders:
    """Jobs that are created in one transaction.

    Attributes:
        session: of that transaction, for other writes that belong into it.
    """

    session: Session
    settings: Settings
    rings: list[tuple[str, int]] = field(default_factory=list)  # queue, chunks

    def create(self, plan: JobPlan, chunks: Iterable[PackedChunk], inputs: int, prefixes: int = 0) -> Job:
        """Write a job; `chunks` hold its `inputs` inputs, in order, and the prefixes that are to be listed.

        No time limit ends one that is part of a run.
        """
        many = inputs + prefixes * (INTERACTIVE_UP_TO + 1)  # below a prefix there may be any number
        hours = self.settings.job_ttl_hours if plan.library_run is None else FOR_EVER_HOURS
        rings = [0]
        job = jobs.create_job(self.session, plan.row(many), _counted(chunks, rings), ttl_hours=hours)
        self.rings.append((job.queue, rings[0]))
        return job

    def retry(self, tenant_id: str, job_id: str) -> Job:
        """Run a finished job's failed items again; raises as `db.jobs.retry_job`."""
        queue = jobs.find_job(self.session, tenant_id, job_id).queue
        chunk_size, ttl_hours = self.settings.chunk_of(queue), self.settings.job_ttl_hours
        job = jobs.retry_job(self.session, tenant_id, job_id, chunk_size=chunk_size, ttl_hours=ttl_hours)
        inputs = job.total - job.succeeded - job.failed - job.cancelled
        self.rings.append((queue, -(-inputs // chunk_size) + job.listings))
        return job


def _counted(chunks: Iterable[PackedChunk], counts: list[int]) -> Iterator[PackedChunk]:
    for chunk in chunks:
        counts[0] += 1
        yield chunk


@contextmanager
def take_orders(database: Database, doorbell: Doorbell, settings: Settings) -> Iterator[Orders]:
    """A transaction in which jobs are created: all of them exist after the block, or none if it raises."""
    with database.write() as session:
        orders = Orders(session, settings)
        yield orders
    for queue, chunks in orders.rings:
        doorbell.ring(queue, chunks)
