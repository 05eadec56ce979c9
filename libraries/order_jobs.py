"""A run's photos as ordinary jobs: some at a time, so that a pause gives up little and a million need no memory."""

from __future__ import annotations

from collections.abc import Sequence

from core.broker import Doorbell
from core.inputs import InputItem, cut_chunks
from core.settings import Settings
from core.states import Priority
from db.engine import Database, Session
from db.ledger import describe_options
from db.library_orders import mark_ordered, open_items, take_due
from db.library_runs import take_run
from db.library_tables import LibraryChange, LibraryRun
from jobs.orders import take_orders
from jobs.plan import JobPlan
from libraries.listing.open_listing import locate

AT_A_TIME = 2_048  # photos in a job
AHEAD = 1_024  # another job is made before fewer than these are left in the last


def order_some(database: Database, doorbell: Doorbell, settings: Settings, number: int) -> bool | None:
    """Make the next job of a run, unless enough is on its way.

    Returns:
        True if one was made, False if enough is on its way, None if nothing is left: all that was due is done.
    """
    with take_orders(database, doorbell, settings) as orders:
        session = orders.session
        run = take_run(session, number)
        if run is None:
            return False
        waiting = open_items(session, number)
        if waiting >= AHEAD:
            return False
        due = take_due(session, run, AT_A_TIME)
        if not due:
            return None if waiting == 0 else False
        plan = _plan(session, run)
        orders.create(plan, cut_chunks(_items(run, due), settings.chunk_size), len(due))
        mark_ordered(session, due, plan.id)
        return True


def _plan(session: Session, run: LibraryRun) -> JobPlan:
    assert run.spec is not None
    options = describe_options(session, run.spec)
    return JobPlan(
        tenant_id=run.tenant_id, tasks=tuple(options), options=options, models=dict(run.models),
        priority=Priority.BULK, library_run=run.number,
    )  # fmt: skip


def _items(run: LibraryRun, due: Sequence[LibraryChange]) -> list[InputItem]:
    source = run.source or {}
    return [
        InputItem(seq, str(change.id), *locate(source, change.key, change.locator)) for seq, change in enumerate(due)
    ]
