"""Cursors of pages. Opaque to clients, who only ever give back what they got."""

from __future__ import annotations

import re
from typing import Final

from core.errors import RequestError

# The document shows these patterns, and all that matches them is accepted.
RESULTS: Final = "^from-(0|[1-9][0-9]{0,11})$"
JOBS: Final = "^before-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"
DELIVERIES: Final = JOBS
LIBRARIES: Final = JOBS
RUNS: Final = JOBS
NUMBERS: Final = "^after-(0|[1-9][0-9]{0,17})$"  # of photos and changes
OFFSETS: Final = "^from-(0|[1-9][0-9]{0,8})$"  # in a ranking


def after_seq(seq: int) -> str:
    """The cursor of the results behind one; behind -1 are all."""
    return f"from-{seq + 1}"


def before_job(job_id: str) -> str:
    """The cursor of the jobs older than one."""
    return f"before-{job_id}"


def before_delivery(delivery_id: str) -> str:
    """The cursor of the webhooks older than one."""
    return before_job(delivery_id)


def before_id(some_id: str) -> str:
    """The cursor of the libraries or runs older than one."""
    return before_job(some_id)


def after_number(number: int) -> str:
    """The cursor of the photos or changes behind one."""
    return f"after-{number}"


def from_offset(offset: int) -> str:
    """The cursor of the places in a ranking from one on, counted from 0."""
    return f"from-{offset}"


def read_number(cursor: str | None) -> int:
    """The photo or change behind which a page begins; without a cursor 0, which is before all.

    Raises:
        RequestError: `cursor_invalid`.
    """
    return 0 if cursor is None else int(_read(cursor, NUMBERS))


def read_offset(cursor: str | None) -> int:
    """The place at which a page of a ranking begins; raises as `read_number`."""
    return 0 if cursor is None else int(_read(cursor, OFFSETS))


def read_id(cursor: str | None) -> str | None:
    """The library or run that a cursor means, if there is one; raises as `read_number`."""
    return None if cursor is None else _read(cursor, JOBS)


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
