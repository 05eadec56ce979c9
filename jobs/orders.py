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
        job = jobs.create_job(self.session, plan.row(many), chunks, ttl_hours=hours)
        self._ring_for(job.queue, inputs + prefixes * self.settings.chunk_size)
        return job

    def retry(self, tenant_id: str, job_id: str) -> Job:
        """Run a finished job's failed items again; raises as `db.jobs.retry_job`."""
        chunk_size, ttl_hours = self.settings.chunk_size, self.settings.job_ttl_hours
        job = jobs.retry_job(self.session, tenant_id, job_id, chunk_size=chunk_size, ttl_hours=ttl_hours)
        listings = job.listings * chunk_size
        self._ring_for(job.queue, job.total - job.succeeded - job.failed - job.cancelled + listings)
        return job

    def _ring_for(self, queue: str, inputs: int) -> None:
        self.rings.append((queue, -(-inputs // self.settings.chunk_size)))


@contextmanager
def take_orders(database: Database, doorbell: Doorbell, settings: Settings) -> Iterator[Orders]:
    """A transaction in which jobs are created: all of them exist after the block, or none if it raises."""
    with database.write() as session:
        orders = Orders(session, settings)
        yield orders
    for queue, chunks in orders.rings:
        doorbell.ring(queue, chunks)
