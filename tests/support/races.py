"""Two transactions interleaved on purpose: the second runs while the first stands before a statement of our choice."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection, event, text
from sqlalchemy.orm import Session

from db.engine import Database

Verb = Callable[[Session], object]
DEADLINE_S = 30.0
NO_MATTER = ("SAVEPOINT", "RELEASE", "SELECT CAST(EXTRACT(EPOCH")  # to stop before these or behind them is the same


class Race:
    """Interleaves two transactions on one database.

    PostgreSQL says who waits for whom, so nothing depends on time: the second has either ended or waits for a lock of
    the first before the first goes on. On SQLite a writer is alone, and the second has at least asked to write.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._main = threading.get_ident()
        self._step = self._seen = 0
        self._interlude: Callable[[], None] | None = None
        self._knocked = threading.Event()
        self._watch = database.engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        event.listen(database.engine, "before_cursor_execute", self._before)
        event.listen(database.engine, "commit", self._before)

    def close(self) -> None:
        event.remove(self._database.engine, "before_cursor_execute", self._before)
        event.remove(self._database.engine, "commit", self._before)
        self._watch.close()

    def run(self, first: Verb, second: Verb, step: int) -> tuple[bool, list[BaseException]]:
        """Both to their ends, the second begun before statement `step` of the first (its commit is the last).

        Returns:
            Whether the first has so many statements, and what was raised.
        """
        raised: list[BaseException] = []
        other = threading.Thread(target=self._transact, args=(second, raised))

        def interlude() -> None:
            other.start()
            deadline = time.monotonic() + DEADLINE_S
            while other.is_alive() and not self._waits():
                assert time.monotonic() < deadline, "the second transaction neither ends nor waits"
                time.sleep(0.001)

        self._step, self._seen, self._interlude = step, 0, interlude
        self._knocked.clear()
        self._transact(first, raised)
        reached = self._interlude is None
        self._interlude = None
        if reached:
            other.join(DEADLINE_S)
            assert not other.is_alive(), "the second transaction does not end"
        return reached, raised

    def _transact(self, verb: Verb, raised: list[BaseException]) -> None:
        try:
            with self._database.write() as session:
                verb(session)
        except BaseException as error:
            raised.append(error)

    def _before(self, connection: Connection, cursor: object = None, statement: str = "COMMIT", *_: Any) -> None:
        if threading.get_ident() != self._main:
            self._knocked.set()
            return
        if self._interlude is None or statement.startswith(NO_MATTER):
            return
        self._seen += 1
        if self._seen == self._step:
            interlude, self._interlude = self._interlude, None
            interlude()

    def _waits(self) -> bool:
        if self._database.is_sqlite:
            return self._knocked.is_set()
        waiting = text(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE datname = current_database() AND cardinality(pg_blocking_pids(pid)) > 0"
        )
        return bool(self._watch.execute(waiting).scalar_one())
