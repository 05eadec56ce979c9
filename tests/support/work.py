"""How much of the database a piece of work looks at, whatever time it takes: plans with counts, not clocks."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from sqlalchemy import event
from sqlalchemy.orm import Session

from db.engine import Database


def rows_looked_at(database: Database, work: Callable[[Session], object]) -> int:
    """The rows and index entries that the statements of `work` read, by the database's own account; nothing is kept.

    PostgreSQL: EXPLAIN ANALYZE of each statement. SQLite has no such count, but one of the steps of its virtual
    machine, of which a row takes a dozen.
    """
    return _steps(database, work) // 12 if database.is_sqlite else _explained(database, work)


def _explained(database: Database, work: Callable[[Session], object]) -> int:
    seen = 0
    explaining = False

    def explain(connection: Any, cursor: Any, statement: str, parameters: Any, context: Any, many: bool) -> None:
        nonlocal seen, explaining
        if explaining or many or not statement.startswith(("SELECT", "WITH")):
            return
        explaining = True
        with connection.connection.cursor() as own:
            own.execute("EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) " + statement, parameters)
            found = own.fetchone()[0]
        seen += _rows((json.loads(found) if isinstance(found, str) else found)[0]["Plan"])
        explaining = False

    event.listen(database.engine, "before_cursor_execute", explain)
    try:
        with database.write() as session:
            work(session)
            session.rollback()
    finally:
        event.remove(database.engine, "before_cursor_execute", explain)
    return seen


def _rows(plan: dict[str, Any]) -> int:
    dropped = plan.get("Rows Removed by Filter", 0) + plan.get("Rows Removed by Index Recheck", 0)
    scans = "Scan" in plan["Node Type"]
    own = (plan["Actual Rows"] + dropped) * plan["Actual Loops"] if scans else 0
    return round(own) + sum(_rows(part) for part in plan.get("Plans", ()))


def _steps(database: Database, work: Callable[[Session], object]) -> int:
    every, ticks = 100, 0

    def tick() -> None:
        nonlocal ticks
        ticks += 1

    with database.write() as session:
        driver = session.connection().connection.driver_connection
        assert driver is not None
        driver.set_progress_handler(tick, every)
        try:
            work(session)
        finally:
            driver.set_progress_handler(None, every)
        session.rollback()
    return ticks * every
