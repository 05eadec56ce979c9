"""Storing what came of a chunk, whole or in part: its state, its results, the job's counters and the webhook, in one
transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from sqlalchemy import BigInteger, Update, bindparam, select, update
from sqlalchemy.orm import Session
from sqlalchemy.sql.dml import ReturningUpdate

from core.errors import LeaseLost
from core.inputs import ItemResult
from core.states import ChunkState
from db.changes import note_change
from db.claims import Claim, chunk_values
from db.clock import now_ms
from db.job_pace import COLUMNS as PACE_COLUMNS
from db.job_pace import Move, pace_columns, pace_move
from db.jobs import finish_if_done
from db.ledger import find_recipes, with_variants
from db.library_store import store_photos, write_outputs
from db.result_rows import insert_rows
from db.statements import run, table_of
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
    _fenced(session, _DONE, claim)
    if write_results(session, claim.job_id, results, claim.since, claim.variants):
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
    _fenced(session, _SHRINK, claim, **{f"its_{name}": value for name, value in chunk_values(rest).items()})
    write_results(session, claim.job_id, results, claim.since, claim.variants)
    return replace(claim, items=rest)


def _fenced(session: Session, statement: Update, claim: Claim, **values: Any) -> None:
    """Change a chunk that is ours.

    Raises:
        LeaseLost: it no longer is.
    """
    changed = run(session, statement, its_id=claim.chunk_id, its_token=claim.token, **values)
    if changed.rowcount != 1:
        raise LeaseLost(claim.chunk_id)


def write_results(
    session: Session,
    job_id: str,
    results: Sequence[ItemResult],
    since: int = 0,
    variants: Mapping[str, str] = MappingProxyType({}),
) -> bool:
    """Write the results and count them on the job: as rows of their own, or as what a library knows of its photos.

    Args:
        since: when their chunk was claimed; see `db.thumbnails`. Without it none of them brings a thumbnail.
        variants: by task, in which the worker ran it, where the ledger tells variants apart.

    Returns:
        Whether all items of the job are accounted for now; see `db.jobs.finish_if_done`.
    """
    job = run(session, _JOB, its_job=job_id).one()
    if job.library_run is not None:
        store_photos(session, job.library_run, results)
    else:
        insert_rows(session, job_id, results, job.now)
        if job.reuse:
            _tell_ledger(session, job_id, results, variants)
    note_thumbnails(session, job.tenant_id, results, since)
    failed = sum(result.error is not None for result in results)
    move = pace_move(session, job, job.now)
    older = {"from_at": job.pace_next_at, "from_done": job.pace_next_done} if move == Move.ON else {}
    counts = {"more": len(results), "more_failed": failed, "now": job.now, **older}
    after = run(session, _COUNT[move], its_job=job_id, **counts).one()
    if job.library_run is None:  # nobody can wait for a part of a run
        note_change(session, job_id)
    return not after.listings and after.succeeded + after.failed + after.cancelled >= after.total


def _tell_ledger(session: Session, job_id: str, results: Sequence[ItemResult], variants: Mapping[str, str]) -> None:
    wanted = (Job.tenant_id, Job.tasks, Job.options, Job.models)
    job = session.execute(select(*wanted).where(Job.id == job_id)).one()
    recipes = find_recipes(session, job.tenant_id, job.tasks, with_variants(job.models, variants), job.options)
    write_outputs(session, job.tenant_id, recipes, job.models, results)


def _ours(**values: Any) -> Update:
    """SQL: change a chunk that is ours."""
    mine = (_CHUNKS.c.id == bindparam("its_id"), _CHUNKS.c.token == bindparam("its_token"))
    return update(_CHUNKS).where(*mine, _CHUNKS.c.state == ChunkState.LEASED).values(**values)


def _count(move: Move) -> ReturningUpdate[Any]:
    """SQL: count `more` results on a job, `more_failed` of which are failures; see `pace_columns`."""
    more, failed = bindparam("more", type_=BigInteger), bindparam("more_failed", type_=BigInteger)
    return (
        update(_JOBS)
        .where(_JOBS.c.id == bindparam("its_job"))
        .values(
            succeeded=_JOBS.c.succeeded + more - failed,
            failed=_JOBS.c.failed + failed,
            version=_JOBS.c.version + 1,
            **pace_columns(move),
        )
        .returning(*(_JOBS.c[name] for name in ("total", "listings", "succeeded", "failed", "cancelled")))
    )


_CHUNKS, _JOBS = table_of(Chunk), table_of(Job)
_DONE = _ours(state=ChunkState.DONE, lease_until=None)
_SHRINK = _ours(**{name: bindparam(f"its_{name}") for name in ("first_seq", "last_seq", "size", "inputs")})
_JOB = select(
    *(_JOBS.c[name] for name in ("library_run", "reuse", "tenant_id", *PACE_COLUMNS)), now_ms().label("now")
).where(_JOBS.c.id == bindparam("its_job"))
_COUNT = {move: _count(move) for move in Move}
