"""Cursors of pages. Opaque to clients, who only ever give back what they got."""

from __future__ import annotations

import re
from typing import Final

from core.errors import RequestError

# The document shows these patterns, and all that matches them is accepted.
RESULTS: Final = "^from-(0|[1-9][0-9]{0,11})$"
JOBS: Final = "^before-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"
DELIVERIES: Final = JOBS


def after_seq(seq: int) -> str:
    """The cursor of the results behind one; behind -1 are all."""
    return f"from-{seq + 1}"


def before_job(job_id: str) -> str:
    """The cursor of the jobs older than one."""
    return f"before-{job_id}"


def before_delivery(delivery_id: str) -> str:
    """The cursor of the webhooks older than one."""
    return before_job(delivery_id)


def read_seq(cursor: str) -> int:
    """The result behind which a cursor's page begins.

    Raises:
        RequestError: `cursor_invalid`.
    """
    return int(_read(cursor, RESULTS)) - 1


def read_job_id(cursor: str) -> str:
    """The job that a cursor means.

    Raises:
        RequestError: `cursor_invalid`.
    """
    return _read(cursor, JOBS)


def read_delivery_id(cursor: str) -> str:
    """The delivery that a cursor means.

    Raises:
        RequestError: `cursor_invalid`.
    """
    return _read(cursor, DELIVERIES)


def _read(cursor: str, pattern: str) -> str:
    if not re.fullmatch(pattern[1:-1], cursor):
        raise RequestError("cursor_invalid", "Use next_cursor of the page before, unchanged.", where="cursor")
    return cursor.partition("-")[2]
