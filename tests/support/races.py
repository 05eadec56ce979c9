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
DEADLINE_S = 180.0
_CLOCK = "SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT) AS anon_1"  # and nothing else beside
NO_MATTER = ("SAVEPOINT", "RELEASE", _CLOCK)  # to stop before these or behind them is the same


class Race:
    """Interleaves two transactions on one database.

    PostgreSQL says who waits for whom, so nothing depends on time: the second has either ended or waits for a lock of
    the first before the first goes on. On SQLite a writer is alone, and the second has asked to be that.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        # As if each were in a process of its own: threads of one take turns before they ask SQLite.
        self._turn, database._turn = database._turn, None
        self._main = threading.get_ident()
        self._step = self._seen = 0
        self._alone = False
        self._interlude: Callable[[], None] | None = None
        self._knocked = threading.Event()
        self._watch = database.engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        event.listen(database.engine, "before_cursor_execute", self._before)
        event.listen(database.engine, "commit", self._before)
        event.listen(database.engine, "rollback", self._rolled_back)

    def close(self) -> None:
        self._database._turn = self._turn
        event.remove(self._database.engine, "before_cursor_execute", self._before)
        event.remove(self._database.engine, "commit", self._before)
        event.remove(self._database.engine, "rollback", self._rolled_back)
        self._watch.close()

    def run(self, first: Verb, second: Verb, step: int) -> tuple[bool, list[BaseException]]:
        """As `run_all`, for two that are a transaction each."""
        return self.run_all(lambda: self._transact(first), lambda: self._transact(second), step)

    def run_all(
        self, first: Callable[[], object], second: Callable[[], object], step: int
    ) -> tuple[bool, list[BaseException]]:
        """Both to their ends, the second begun before statement `step` of the first (a commit is one, too).

        Returns:
            Whether the first has so many statements, and what was raised.
        """
        raised: list[BaseException] = []
        other = threading.Thread(target=_try, args=(second, raised))

        def interlude() -> None:
            other.start()
            deadline = time.monotonic() + DEADLINE_S
            while other.is_alive() and not self._waits():
                assert time.monotonic() < deadline, "the second transaction neither ends nor waits"
                time.sleep(0.001)

        self._step, self._seen, self._interlude = step, 0, interlude
        self._knocked.clear()
        self._alone = False
        _try(first, raised)
        reached = self._interlude is None
        self._interlude = None
        if reached:
            other.join(DEADLINE_S)
            assert not other.is_alive(), "the second transaction does not end"
        return reached, raised

    def _transact(self, verb: Verb) -> None:
        with self._database.write() as session:
            verb(session)

    def _before(self, connection: Connection, cursor: object = None, statement: str = "COMMIT", *_: Any) -> None:
        if threading.get_ident() != self._main:
            self._knocked.set()
            return
        if self._interlude is not None and not statement.startswith(NO_MATTER):
            self._seen += 1
            if self._seen == self._step:
                interlude, self._interlude = self._interlude, None
                interlude()
        if statement in ("COMMIT", "BEGIN IMMEDIATE"):
            self._alone = statement != "COMMIT"  # on SQLite

    def _rolled_back(self, _: Connection) -> None:
        if threading.get_ident() == self._main:
            self._alone = False

    def _waits(self) -> bool:
        if self._database.is_sqlite:
            return self._alone and self._knocked.is_set()
        waiting = text(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE datname = current_database() AND cardinality(pg_blocking_pids(pid)) > 0"
        )
        return bool(self._watch.execute(waiting).scalar_one())


def _try(act: Callable[[], object], raised: list[BaseException]) -> None:
    try:
        act()
    except BaseException as error:
        raised.append(error)
