"""Runs of libraries: starting one, the moves between its stages, and the lease of the worker that does a stage.

The rows are the truth. A stage that reads the source, the models or sidecars is a worker's, under a lease with a
fencing token, as chunks are; the others are any scheduler's, each slice of them one transaction that locks the run's
row and says how far it has come.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from core.errors import Conflict, LeaseLost, NotFound
from core.ids import new_id
from core.states import RunStage, RunState
from db.clock import now_ms
from db.library_tables import Library, LibraryRun

UNFINISHED = (RunState.QUEUED, RunState.LISTING, RunState.RUNNING, RunState.PAUSED)
OF_WORKERS = (RunStage.LIST, RunStage.RELABEL, RunStage.SIDECARS)


@dataclass(frozen=True, slots=True)
class RunClaim:
    """A stage of a run that is ours to do until the lease ends."""

    number: int
    token: int
    library: int
    tenant_id: str
    stage: RunStage
    attempts: int


def add_run(
    session: Session,
    library: Library,
    *,
    what: str,
    dry_run: bool = False,
    force: bool = False,
    most: int | None = None,
    scheduled_for: int | None = None,
    window: dict[str, Any] | None = None,
) -> LibraryRun:
    """Start a run; its models are pinned when it begins.

    Raises:
        Conflict: `run_in_progress`, the library has one that is unfinished, or had this night's already.
    """
    run = LibraryRun(
        id=new_id(), library=library.number, tenant_id=library.tenant_id, what=what, dry_run=dry_run, force=force,
        most=most, scheduled_for=scheduled_for, window=window, state=RunState.QUEUED, stage=RunStage.PIN, models={},
        created_at=session.execute(select(now_ms())).scalar_one(),
    )  # fmt: skip
    try:
        with session.begin_nested():
            session.add(run)
    except IntegrityError:
        raise Conflict("run_in_progress", f"Library {library.id} has a run that is not finished.") from None
    return run


def find_run(session: Session, library: Library, run_id: str, *, lock: bool = False) -> LibraryRun:
    """A run of a library.

    Raises:
        NotFound: `run_not_found`.
    """
    query = select(LibraryRun).where(LibraryRun.id == run_id, LibraryRun.library == library.number)
    if lock:
        query = query.with_for_update()
    run = session.scalars(query.execution_options(populate_existing=True)).one_or_none()
    if run is None:
        raise NotFound("run_not_found", f"Library {library.id} has no run {run_id}.")
    return run


def run_numbered(session: Session, number: int, *, lock: bool = False) -> LibraryRun | None:
    """A run by its number; None if it is gone."""
    query = select(LibraryRun).where(LibraryRun.number == number)
    if lock:
        query = query.with_for_update()
    return session.scalars(query.execution_options(populate_existing=True)).one_or_none()


def list_runs(
    session: Session, library: Library, *, limit: int, before: str | None = None, state: str | None = None
) -> Sequence[LibraryRun]:
    """A library's runs, newest first, older than the id `before`."""
    query = select(LibraryRun).where(LibraryRun.library == library.number)
    if before is not None:
        query = query.where(LibraryRun.id < before)
    if state is not None:
        query = query.where(LibraryRun.state == state)
    return session.scalars(query.order_by(LibraryRun.id.desc()).limit(limit)).all()


def unfinished_run(session: Session, library: int, *, lock: bool = False) -> LibraryRun | None:
    """The run that a library has in progress, or None."""
    query = select(LibraryRun).where(LibraryRun.library == library, LibraryRun.state.in_(UNFINISHED))
    if lock:
        query = query.with_for_update()
    return session.scalars(query.execution_options(populate_existing=True)).one_or_none()


def runs_to_advance(session: Session) -> Sequence[int]:
    """The numbers of the unfinished runs, oldest first."""
    query = select(LibraryRun.number).where(LibraryRun.stage != RunStage.DONE, LibraryRun.state.in_(UNFINISHED))
    return session.scalars(query.order_by(LibraryRun.number)).all()


def take_run(session: Session, number: int) -> LibraryRun | None:
    """An unfinished run, locked until the transaction ends; None if it is over, or somebody else has it in hand."""
    query = select(LibraryRun).where(LibraryRun.number == number, LibraryRun.state.in_(UNFINISHED))
    locked = query.with_for_update(skip_locked=True).execution_options(populate_existing=True)
    return session.scalars(locked).one_or_none()


def stage_waits(session: Session, stages: Collection[RunStage]) -> bool:
    """Whether a stage of some run waits for a worker."""
    return session.scalars(_waiting(stages)).first() is not None


def claim_stage(session: Session, *, worker: str, lease_ms: int, stages: Collection[RunStage]) -> RunClaim | None:
    """Lease the stage of a run that waits for a worker, or whose worker has fallen silent; None if there is none."""
    number = session.scalars(_waiting(stages).with_for_update(skip_locked=True)).one_or_none()
    if number is None:
        return None
    run = session.scalars(
        update(LibraryRun)
        .where(LibraryRun.number == number)
        .values(
            token=LibraryRun.token + 1,
            attempts=LibraryRun.attempts + 1,
            worker=worker,
            lease_until=now_ms() + lease_ms,
        )
        .returning(LibraryRun)
        .execution_options(synchronize_session=False, populate_existing=True)
    ).one()
    return RunClaim(run.number, run.token, run.library, run.tenant_id, RunStage(run.stage), run.attempts)


def _waiting(stages: Collection[RunStage]) -> Select[int]:
    free = or_(LibraryRun.lease_until.is_(None), LibraryRun.lease_until < now_ms())
    working = (LibraryRun.state.in_(UNFINISHED), LibraryRun.state != RunState.PAUSED)
    waiting = select(LibraryRun.number).where(LibraryRun.stage != RunStage.DONE, LibraryRun.stage.in_(stages))
    return waiting.where(*working, free).order_by(LibraryRun.number).limit(1)


def hold(session: Session, claim: RunClaim, **values: Any) -> None:
    """Change a run whose stage is ours, or only make sure that it still is; locks its row.

    Raises:
        LeaseLost: it no longer is; whatever else this transaction did must not be kept.
    """
    changed = session.execute(
        update(LibraryRun)
        .where(LibraryRun.number == claim.number, LibraryRun.token == claim.token)
        .values(**values or {"token": claim.token})
        .execution_options(synchronize_session=False)
    )
    if changed.rowcount != 1:  # type: ignore[attr-defined]
        raise LeaseLost(claim.number)


def renew_stage(session: Session, claim: RunClaim, *, lease_ms: int) -> bool:
    """Extend the lease; False if it is no longer ours."""
    try:
        hold(session, claim, lease_until=now_ms() + lease_ms)
    except LeaseLost:
        return False
    return True


def release_stage(session: Session, claim: RunClaim) -> None:
    """Give a stage back unfinished; it does not count as an attempt."""
    session.execute(
        update(LibraryRun)
        .where(LibraryRun.number == claim.number, LibraryRun.token == claim.token)
        .values(worker=None, lease_until=None, attempts=LibraryRun.attempts - 1)
    )


def enter_stage(run: LibraryRun, stage: RunStage, state: RunState | None = None) -> None:
    """Move a run that is locked to its next stage; whoever still does the one before loses it."""
    run.stage, run.cursor = stage, None
    run.token += 1
    run.attempts = 0
    run.worker = run.lease_until = None
    if state is not None:
        run.state = state
