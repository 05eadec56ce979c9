"""Statements that are built once, for what every chunk and every request runs.

To build a statement, and to find what it was compiled to, takes SQLAlchemy several times as long as SQLite takes to run
it (measured: 135 to 820 us against 20 to 50), and whoever writes holds the lock meanwhile. So these are constants, with
`bindparam`s for their values, and run past the ORM: they see nothing that is not flushed, and change no object. Their
values are named `its_...` where a column has that name, which SQLAlchemy keeps for itself. See docs/decisions/0175.
"""

from __future__ import annotations

from typing import Any, cast

from sqlalchemy import CursorResult, Executable, Table
from sqlalchemy.orm import Session

from db.tables import Base


def run(session: Session, statement: Executable, **values: Any) -> CursorResult[Any]:
    """Run a statement in the session's transaction."""
    return session.connection().execute(statement, values)


def table_of(entity: type[Base]) -> Table:
    """The table of a class, whose columns make statements that do not concern the ORM."""
    return cast(Table, entity.__table__)
