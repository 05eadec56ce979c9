"""Long polls: how long a client is willing to be made to wait (RFC 7240)."""

from __future__ import annotations

import re

from flask import request

MAX_WAIT_S = 50  # many proxies cut a connection on which nothing has come for 60 seconds


def wanted_wait() -> int | None:
    """The seconds that a client is willing to wait (Prefer: wait=N), at most 50; None if it does not say."""
    for part in re.split(r"[,;]", request.headers.get("Prefer", "")):
        found = re.fullmatch(r"\s*wait\s*=\s*\"?(\d{1,6})\"?\s*", part, re.IGNORECASE | re.ASCII)
        if found:
            return min(int(found[1]), MAX_WAIT_S)
    return None
