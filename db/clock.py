"""The database's clock, in milliseconds since the Unix epoch.

Leases are judged by one clock, the database's, so that workers on machines whose clocks differ still agree.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, select
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import Session
from sqlalchemy.sql.functions import FunctionElement


class now_ms(FunctionElement[int]):
    """SQL expression: the time now, integer milliseconds since 1970-01-01 UTC."""

    type = BigInteger()
    inherit_cache = True


@compiles(now_ms)
def _generic(element: now_ms, compiler: Any, **kw: Any) -> str:
    return "CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)"


@compiles(now_ms, "sqlite")
def _sqlite(element: now_ms, compiler: Any, **kw: Any) -> str:
    # unixepoch('subsec') needs SQLite 3.42; Debian 12 has 3.40.
    return "CAST(ROUND((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER)"


_NOW = select(now_ms())


def current_ms(session: Session) -> int:
    """The time now by the database's clock, milliseconds since 1970-01-01 UTC."""
    now: int = session.connection().execute(_NOW).scalar_one()
    return now
