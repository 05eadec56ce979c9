"""Small jobs for tests that need some."""

from __future__ import annotations

from typing import Any

from core.inputs import InputItem, ItemResult, cut_chunks
from core.states import Priority
from db.claims import Claim, claim_chunk
from db.engine import Database
from db.jobs import create_job
from jobs.plan import JobPlan


def make_job(
    database: Database,
    tenant: str,
    *,
    items: int = 10,
    chunk: int = 4,
    priority: Priority = Priority.INTERACTIVE,
    refs: list[str] | None = None,
    tasks: tuple[str, ...] = ("classify",),
    **more: Any,
) -> str:
    """A queued job of `items` URLs in chunks of `chunk`; returns its id."""
    refs = refs or [f"http://photos.example/{n}.jpg" for n in range(items)]
    inputs = [InputItem(seq, f"photo-{seq}", "url", ref) for seq, ref in enumerate(refs)]
    job = JobPlan(tenant_id=tenant, tasks=tasks, priority=priority, **more)
    with database.write() as session:
        return create_job(session, job.row(len(inputs)), cut_chunks(inputs, chunk), ttl_hours=24).id


def claim(database: Database, worker: str = "w1", lease_ms: int = 60_000) -> Claim | None:
    """Claim the next image chunk."""
    with database.write() as session:
        return claim_chunk(session, queue="image", worker=worker, lease_ms=lease_ms)


def must_claim(database: Database, worker: str = "w1", lease_ms: int = 60_000) -> Claim:
    """Claim the next image chunk, which there must be."""
    claimed = claim(database, worker, lease_ms)
    assert claimed is not None
    return claimed


def successes(claimed: Claim) -> list[ItemResult]:
    """A success for every item of a claim."""
    outputs = {"classify": {"labels": [], "model": "test@1.0.0"}}
    return [ItemResult(item, outputs=outputs) for item in claimed.items]
