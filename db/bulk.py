"""Thousands of rows in a statement: as arrays on PostgreSQL, which a row at a time would keep busy several times as
long; row by row on SQLite, which does not mind."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import repeat
from typing import Any, cast

from sqlalchemy import ARRAY, Table, bindparam, func, select, update
from sqlalchemy import cast as sql_cast
from sqlalchemy.orm import Session
from sqlalchemy.sql.selectable import FromClause

from db.tables import Base
from db.upsert import insert_into

Columns = Mapping[str, Sequence[Any]]


def insert_rows(session: Session, table: type[Base], columns: Columns, values: Mapping[str, Any]) -> None:
    """Insert rows that are not there yet.

    Args:
        columns: of equal length.
        values: the same in every row.
    """
    if session.get_bind().dialect.name == "sqlite":
        names = [*columns, *values]
        places = ", ".join("?" * len(names))
        insert = f"INSERT INTO {table.__tablename__} ({', '.join(names)}) VALUES ({places}) ON CONFLICT DO NOTHING"
        _many(session, insert, [*columns.values(), *map(repeat, values.values())])
        return
    source = _as_table(table, columns)
    constants = {name: bindparam(f"value_{name}", value, _column(table, name).type) for name, value in values.items()}
    query = select(*(source.c[name] for name in columns), *constants.values())
    names = [*columns, *constants]
    session.execute(insert_into(session, table).from_select(names, query).on_conflict_do_nothing())


def update_rows(session: Session, table: type[Base], columns: Columns, values: Mapping[str, Any]) -> None:
    """Change rows that are named by the column `id`."""
    rows = cast(Table, table.__table__)
    changed = [name for name in columns if name != "id"]
    if session.get_bind().dialect.name == "sqlite":
        sets = ", ".join(f"{name} = ?" for name in [*changed, *values])
        new = [*(columns[name] for name in changed), *map(repeat, values.values()), columns["id"]]
        _many(session, f"UPDATE {table.__tablename__} SET {sets} WHERE id = ?", new)
        return
    source = _as_table(table, columns)
    statement = update(rows).where(rows.c.id == source.c.id)
    session.connection().execute(statement.values(**values, **{name: source.c[name] for name in changed}))


def _many(session: Session, statement: str, columns: Sequence[Iterable[Any]]) -> None:
    """A statement for each row, past what would look at every value: numbers, texts and bytes are what SQLite takes."""
    session.connection().exec_driver_sql(statement, list(zip(*columns)))  # noqa: B905 (constants never end)


def _column(table: type[Base], name: str) -> Any:
    return cast(Table, table.__table__).c[name]


def _as_table(table: type[Base], columns: Columns) -> FromClause:
    arrays = [
        sql_cast(bindparam(f"all_{name}", list(column)), ARRAY(_column(table, name).type))
        for name, column in columns.items()
    ]
    return func.unnest(*arrays).table_valued(*columns).render_derived()
