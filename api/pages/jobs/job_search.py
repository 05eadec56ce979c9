"""From what somebody types or pastes to the ids of jobs that it may mean."""

from __future__ import annotations

import re
from uuid import UUID

_WHOLE = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_DIGITS = 32


def id_range(typed: str) -> tuple[str, str] | None:
    """The lowest and the highest id that it may mean; None if no id looks so.

    A whole id counts wherever it stands, such as in an address; else the text is the beginning of one.
    """
    text = typed.strip().lower()
    whole = _WHOLE.search(text)
    digits = (whole[0] if whole else text).replace("-", "")
    if not re.fullmatch(rf"[0-9a-f]{{1,{_DIGITS}}}", digits):
        return None
    return str(UUID(digits.ljust(_DIGITS, "0"))), str(UUID(digits.ljust(_DIGITS, "f")))
