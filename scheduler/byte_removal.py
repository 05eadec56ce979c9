"""Removing bytes that no row needs any more, from whatever store they lie in."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic
from typing import Protocol

from db.engine import Database, Session

TURN_S = 5.0  # for one chore at a time, so that the scheduler stops soon


class Store(Protocol):
    """A store of bytes by SHA-256."""

    def has(self, name: str, /) -> bool: ...
    def delete(self, name: str, /) -> None: ...


def remove_bytes(
    database: Database,
    store: Store,
    unneeded_files: Callable[[Session], list[str]],
    remove_file: Callable[[Session, str, Callable[[str], None]], bool],
) -> int:
    """Remove what is unneeded now, for a turn; returns how many bytes went.

    Args:
        unneeded_files, remove_file: as in `db.upload_files`.
    """
    with database.write() as session:
        unneeded = unneeded_files(session)
    over, removed = monotonic() + TURN_S, 0
    for name in unneeded:
        if monotonic() > over:
            break
        # Asked before the row is locked: a store that does not answer must not hold the lock.
        there = store.has(name)
        with database.write() as session:
            removed += remove_file(session, name, store.delete) and there
    return removed
