"""Opaque cursors: base64url of a small JSON object."""

from __future__ import annotations

import base64
import json
import re

from core.errors import RequestError

_MAX = 300
_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def write_cursor(value: int | str) -> str:
    """A cursor that means "after this"."""
    return base64.urlsafe_b64encode(json.dumps({"a": value}).encode()).decode().rstrip("=")


def read_seq(cursor: str) -> int:
    """The place in a job that a cursor means.

    Raises:
        RequestError: `cursor_invalid`.
    """
    value = _read(cursor)
    if not isinstance(value, int) or isinstance(value, bool) or not -1 <= value < 2**53:
        raise _invalid()
    return value


def read_job_id(cursor: str) -> str:
    """The job that a cursor means.

    Raises:
        RequestError: `cursor_invalid`.
    """
    value = _read(cursor)
    if not isinstance(value, str) or not _ID.fullmatch(value):
        raise _invalid()
    return value


def _read(cursor: str) -> object:
    try:
        if len(cursor) > _MAX:
            raise ValueError
        raw = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (ValueError, RecursionError):
        raise _invalid() from None
    if not isinstance(raw, dict) or set(raw) != {"a"} or write_cursor(raw["a"]) != cursor:
        raise _invalid()
    return raw["a"]


def _invalid() -> RequestError:
    return RequestError("cursor_invalid", "Use next_cursor of the page before, unchanged.", where="cursor")
