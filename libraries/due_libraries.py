"""Starting the runs that schedules ask for: each night exactly once, whoever looks, and a missed one once."""

from __future__ import annotations

import logging

from core.errors import Conflict, RequestError
from db.clock import current_ms
from db.engine import Database, Session
from db.libraries import due_libraries, library_numbered
from db.library_runs import add_run, unfinished_run
from db.library_tables import Library
from libraries.schedule import Schedule

log = logging.getLogger(__name__)


def start_due(database: Database) -> int:
    """Start the runs that are due; returns how many.

    The library's row is locked, its next time moved and the run written in one transaction. A library whose run is not
    finished stays due, and is run once when that one is over; a run that waits for its window goes on as this night's.
    """
    with database.read() as session:
        numbers = due_libraries(session)
    started = 0
    for number in numbers:
        with database.write() as session:
            library = library_numbered(session, number, lock=True)
            if library is not None and library.deleted_at is None:
                started += _start(session, library)
    return started


def _start(session: Session, library: Library) -> bool:
    now, due_at = current_ms(session), library.next_due_at
    if due_at is None or due_at > now or library.schedule is None:
        return False
    try:
        schedule = Schedule.parse(library.schedule)
        following = schedule.next_after(now)
    except RequestError as error:  # a zone that this machine does not know
        log.error("a schedule cannot be read: %s", error, extra={"library": library.id})
        library.next_due_at = now + 3_600_000
        return False
    unfinished = unfinished_run(session, library.number)
    if unfinished is not None:
        if unfinished.scheduled_for is not None and unfinished.window:
            library.next_due_at = following
        return False
    library.next_due_at = following
    if library.source is None:
        return False
    try:
        run = add_run(session, library, what="changed", scheduled_for=due_at, window=_window(library.schedule))
    except Conflict:
        return False
    log.info("a scheduled run begins", extra={"library": library.id, "run": run.id})
    return True


def _window(schedule: dict[str, str | None]) -> dict[str, str | None] | None:
    return dict(schedule) if schedule.get("window") else None
