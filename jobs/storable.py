"""What every database can hold: no NUL, no lone surrogates, no deep nesting."""

from __future__ import annotations

import re
from typing import Any

from core.errors import RequestError

MAX_DEPTH = 64
# PostgreSQL stores neither NUL nor lone surrogates (half of a UTF-16 pair, which JSON's \ud800 can smuggle in).
UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


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
