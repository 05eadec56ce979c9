"""Storing what came of a chunk, whole or in part: its state, its results, the job's counters and the webhook, in one
transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from core.errors import LeaseLost
from core.inputs import ItemResult
from core.states import ChunkState
from db import job_pace
from db.changes import note_change
from db.claims import Claim, chunk_values
from db.clock import now_ms
from db.jobs import finish_if_done
from db.ledger import find_recipes, with_variants
from db.library_store import store_photos, write_outputs
from db.result_rows import insert_rows
from db.tables import Chunk, Job
from db.thumbnails import note_thumbnails


def store_results(session: Session, claim: Claim, results: Sequence[ItemResult]) -> None:
    """Store what came of a chunk: its state, its results, the job's counters and, at the end, the webhook.

    Raises:
        LeaseLost: the chunk is no longer ours; nothing was stored.
        ValueError: the results are not exactly the chunk's items.
    """
    if sorted(result.item.seq for result in results) != [item.seq for item in claim.items]:
        raise ValueError(f"chunk {claim.chunk_id}: results do not match the items")
    _fenced(session, claim, state=ChunkState.DONE, lease_until=None)
    write_results(session, claim.job_id, results, claim.since, claim.variants)
    finish_if_done(session, claim.job_id)


def store_some(session: Session, claim: Claim, results: Sequence[ItemResult]) -> Claim:
    """Store what has finished of a chunk while the rest is still under way, under the same lease and token.

    The chunk shrinks to the rest, so that each item is in exactly one place: the results, or what is still to be run.

    Args:
        results: of some of the chunk's items, not of all.

    Returns:
        The claim on the rest.

    Raises:
        LeaseLost: the chunk is no longer ours; nothing was stored.
        ValueError: the results are not some of the chunk's items, or are all of them.
    """
    finished = {result.item.seq for result in results}
    rest = [item for item in claim.items if item.seq not in finished]
    if not rest or len(rest) + len(results) != len(claim.items):
        raise ValueError(f"chunk {claim.chunk_id}: results are not some of its items")
    _fenced(session, claim, **chunk_values(rest))
    write_results(session, claim.job_id, results, claim.since, claim.variants)
    return replace(claim, items=rest)


def _fenced(session: Session, claim: Claim, **values: Any) -> None:
    """Change a chunk that is ours.

    Raises:
        LeaseLost: it no longer is.
    """
    changed = session.execute(
        update(Chunk)
        .where(Chunk.id == claim.chunk_id, Chunk.token == claim.token, Chunk.state == ChunkState.LEASED)
        .values(**values)
    )
    if changed.rowcount != 1:  # type: ignore[attr-defined]
        raise LeaseLost(claim.chunk_id)


def write_results(
    session: Session,
    job_id: str,
    results: Sequence[ItemResult],
    since: int = 0,
    variants: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Write the results and count them on the job: as rows of their own, or as what a library knows of its photos.

    Args:
        since: when their chunk was claimed; see `db.thumbnails`. Without it none of them brings a thumbnail.
        variants: by task, in which the worker ran it, where the ledger tells variants apart.
    """
    wanted = (Job.library_run, Job.reuse, Job.tenant_id, Job.tasks, Job.options, Job.models, now_ms().label("now"))
    job = session.execute(select(*wanted, *job_pace.COLUMNS).where(Job.id == job_id)).one()
    if job.library_run is not None:
        store_photos(session, job.library_run, results)
    else:
        insert_rows(session, job_id, results)
        if job.reuse:
            models = with_variants(job.models, variants)
            recipes = find_recipes(session, job.tenant_id, job.tasks, models, job.options)
            write_outputs(session, job.tenant_id, recipes, job.models, results)
    note_thumbnails(session, job.tenant_id, results, since)
    failed = sum(result.error is not None for result in results)
    session.execute(
        update(Job)
        .where(Job.id == job_id)
        .values(
            succeeded=Job.succeeded + len(results) - failed,
            failed=Job.failed + failed,
            version=Job.version + 1,
            **job_pace.pace_values(session, job, job.now, len(results)),
        )
    )
    if job.library_run is None:  # nobody can wait for a part of a run
        note_change(session, job_id)
