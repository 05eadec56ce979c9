"""Reading JSON so that whatever passes can be stored: no duplicate names, no NaN, no bottomless nesting."""

from __future__ import annotations

import json
import math
import re
from typing import Any

from core.errors import RequestError

MAX_DEPTH = 64
# PostgreSQL stores neither NUL nor lone surrogates (half of a UTF-16 pair, which JSON's \ud800 can smuggle in).
UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def loads(data: bytes | str) -> Any:
    """A JSON value.

    Raises:
        ValueError: with a message for people; also for duplicate names, NaN, Infinity and numbers out of range.
    """
    try:
        text = data.decode("utf-8-sig") if isinstance(data, bytes) else data
        return json.loads(text, object_pairs_hook=_unique, parse_constant=_refuse, parse_float=_finite)
    except UnicodeDecodeError as error:
        raise ValueError(f"not UTF-8 at byte {error.start}") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"{error.msg} at line {error.lineno}, column {error.colno}") from None
    except RecursionError:
        raise ValueError("nested too deeply") from None


def loads_body(data: bytes, where: str | None = None) -> Any:
    """As `loads`, for a request's body.

    Raises:
        RequestError: `json_invalid`.
    """
    try:
        return loads(data)
    except ValueError as error:
        raise RequestError("json_invalid", f"The body is not valid JSON: {error}.", where=where) from None


def check_storable(value: Any, where: str, depth: int = 0) -> None:
    """Refuse what a database could not hold.

    Raises:
        RequestError: `field_invalid`, with the place.
    """
    if depth > MAX_DEPTH:
        raise RequestError("field_invalid", f"Nested more than {MAX_DEPTH} levels deep.", where=where)
    if isinstance(value, str):
        check_text(value, where)
    elif isinstance(value, dict):
        for name, inner in value.items():
            check_text(name, where)
            check_storable(inner, f"{where}/{escape(name)}", depth + 1)
    elif isinstance(value, list):
        for place, inner in enumerate(value):
            check_storable(inner, f"{where}/{place}", depth + 1)


def check_text(text: str, where: str) -> None:
    """Refuse NUL characters and lone surrogates.

    Raises:
        RequestError: `field_invalid`.
    """
    if UNSTORABLE.search(text):
        message = "NUL characters and lone surrogates cannot be stored; remove them."
        raise RequestError("field_invalid", message, where=where)


def escape(name: str) -> str:
    """A name as one part of a JSON pointer (RFC 6901)."""
    return name.replace("~", "~0").replace("/", "~1")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the name {twice[:50]!r} stands twice in one object")
    return found


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is not JSON")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"the number {text[:30]} is out of range")
    return value
