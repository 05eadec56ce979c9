"""Reading JSON strictly: no duplicate names, no NaN, no numbers out of range."""

from __future__ import annotations

import json
import math
from typing import Any, Final

from core.errors import RequestError

_BYTE_ORDER_MARK = "\ufeff"


def loads(data: bytes | str) -> Any:
    """A JSON value.

    Raises:
        ValueError: with a message for people; also for duplicate names, NaN, Infinity and numbers out of range.
    """
    try:
        text = data.removeprefix(b"\xef\xbb\xbf").decode() if isinstance(data, bytes) else data
        if text.startswith(_BYTE_ORDER_MARK):
            raise json.JSONDecodeError("Unexpected UTF-8 BOM (decode using utf-8-sig)", text, 0)
        return _DECODER.decode(text)
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


# json.loads would make a decoder for each value, which takes longer than a short value itself.
_DECODER: Final = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_refuse, parse_float=_finite)
