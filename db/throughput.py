"""How much the workers finish: items a minute, each worker in rows of its own.

Counting results by their time would read the whole table, and an index for it would cost every insert. So each worker
adds what it has finished to a row of this minute when it gives its sign of life, every ten seconds at most: no two
workers write the same row, and an hour is sixty rows a worker. How long it was busy with which kind of work is told in
the same way.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from sqlalchemy import String, delete, func, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from db.clock import current_ms, now_ms
from db.tables import Base
from db.upsert import insert_into

MINUTE_MS = 60_000
KEPT_MINUTES = 24 * 60
PACES_KEPT_MINUTES = 8 * KEPT_MINUTES  # so that a job that comes every week is known the next time
PACE_ROWS = 10  # the newest of a kind say how fast it goes now


class WorkerMinute(Base):
    """What a worker finished within a minute, which is counted from 1970-01-01 UTC."""

    __tablename__ = "worker_minutes"
    minute: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    worker: Mapped[str] = mapped_column(String(200), primary_key=True)
    succeeded: Mapped[int]
    failed: Mapped[int]


class WorkPace(Base):
    """How long a worker was busy with a kind of work (core.work_kinds) in a minute, and what it finished of it."""

    __tablename__ = "work_paces"
    kind: Mapped[str] = mapped_column(String(200), primary_key=True)
    minute: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    worker: Mapped[str] = mapped_column(String(200), primary_key=True)
    items: Mapped[int]
    busy_ms: Mapped[int]


@dataclass(frozen=True, slots=True)
class Pace:
    """Items of a kind that a worker finished, and for how long they kept it busy."""

    kind: str
    items: int
    busy_ms: int


@dataclass(frozen=True, slots=True)
class Minute:
    """What all workers finished within a minute that began at `at`, milliseconds since 1970 UTC."""

    at: int
    succeeded: int
    failed: int


def add_finished(session: Session, worker: str, succeeded: int, failed: int) -> None:
    """Add items that a worker has finished to the minute that it is."""
    row = insert_into(session, WorkerMinute).values(
        minute=current_ms(session) // MINUTE_MS, worker=worker, succeeded=succeeded, failed=failed
    )
    session.execute(
        row.on_conflict_do_update(
            index_elements=["minute", "worker"],
            set_={
                "succeeded": WorkerMinute.succeeded + row.excluded.succeeded,
                "failed": WorkerMinute.failed + row.excluded.failed,
            },
        )
    )


def add_paces(session: Session, worker: str, paces: Iterable[Pace]) -> None:
    """Add what a worker was busy with to the minute that it is."""
    rows = [{"kind": pace.kind, "worker": worker, "items": pace.items, "busy_ms": pace.busy_ms} for pace in paces]
    if not rows:
        return
    minute = current_ms(session) // MINUTE_MS
    added = insert_into(session, WorkPace).values([{**row, "minute": minute} for row in rows])
    session.execute(
        added.on_conflict_do_update(
            index_elements=["kind", "minute", "worker"],
            set_={
                "items": WorkPace.items + added.excluded["items"],
                "busy_ms": WorkPace.busy_ms + added.excluded.busy_ms,
            },
        )
    )


def seconds_per_item(session: Session) -> dict[str, float]:
    """How long one worker, busy with nothing else, takes for an item of each kind that anybody has run.

    The newest rows of each kind count, so the hours in which there was none of it do not matter.
    """
    found: dict[str, float] = {}
    for kind in _kinds(session):
        newest = select(WorkPace.items, WorkPace.busy_ms).where(WorkPace.kind == kind)
        rows = session.execute(newest.order_by(WorkPace.minute.desc()).limit(PACE_ROWS)).all()
        items, busy_ms = sum(done for done, _ in rows), sum(took for _, took in rows)
        if items and busy_ms:
            found[kind] = busy_ms / items / 1000
    return found


def _kinds(session: Session) -> Iterator[str]:
    """From kind to kind along the index: DISTINCT would read every minute of each."""
    kind = session.scalars(select(func.min(WorkPace.kind))).one()
    while kind is not None:
        yield kind
        kind = session.scalars(select(func.min(WorkPace.kind)).where(WorkPace.kind > kind)).one()


def last_minutes(session: Session, count: int = 60) -> list[Minute]:
    """The last `count` minutes, oldest first, the present one last; those in which nothing was finished too."""
    present = current_ms(session) // MINUTE_MS
    first = present - count + 1
    rows = session.execute(
        select(WorkerMinute.minute, func.sum(WorkerMinute.succeeded), func.sum(WorkerMinute.failed))
        .where(WorkerMinute.minute >= first)
        .group_by(WorkerMinute.minute)
    )
    found = {minute: (int(succeeded), int(failed)) for minute, succeeded, failed in rows}
    return [Minute(at * MINUTE_MS, *found.get(at, (0, 0))) for at in range(first, present + 1)]


def finished_by_worker(session: Session, count: int = 60) -> dict[str, int]:
    """Items that each worker finished within the last `count` minutes."""
    first = current_ms(session) // MINUTE_MS - count + 1
    total = func.sum(WorkerMinute.succeeded + WorkerMinute.failed)
    rows = session.execute(
        select(WorkerMinute.worker, total).where(WorkerMinute.minute >= first).group_by(WorkerMinute.worker)
    )
    return {worker: int(items) for worker, items in rows}


def forget_old_minutes(session: Session) -> None:
    """Remove what is older than a day, and paces older than eight."""
    session.execute(delete(WorkerMinute).where(WorkerMinute.minute < now_ms() / MINUTE_MS - KEPT_MINUTES))
    session.execute(delete(WorkPace).where(WorkPace.minute < now_ms() / MINUTE_MS - PACES_KEPT_MINUTES))
