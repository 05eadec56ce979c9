"""Long polls: how long a client is made to wait (RFC 7240), and how many may wait at a time."""

from __future__ import annotations

import re
import threading

from flask import request

from core.errors import RequestError

MAX_WAIT_S = 50  # many proxies cut a connection on which nothing has come for 60 seconds


def wanted_wait() -> int | None:
    """The seconds that a client is willing to wait (Prefer: wait=N), at most 50; None if it does not say."""
    for part in re.split(r"[,;]", request.headers.get("Prefer", "")):
        found = re.fullmatch(r"\s*wait\s*=\s*\"?(\d{1,6})\"?\s*", part, re.IGNORECASE | re.ASCII)
        if found:
            return min(int(found[1]), MAX_WAIT_S)
    return None


class LongPollLimit:
    """A limited number of slots: whoever waits holds a thread, and other requests need some."""

    def __init__(self, slots: int) -> None:
        self._free = threading.BoundedSemaphore(slots)
        self._slots = slots

    def enter(self) -> LongPollSlot:
        """Take a slot, to be left with `leave`.

        Raises:
            RequestError: `too_many_waiting`.
        """
        if not self._free.acquire(blocking=False):
            message = f"{self._slots} requests are waiting already; poll without Prefer: wait, or come back later."
            raise RequestError("too_many_waiting", message)
        return LongPollSlot(self._free)


class LongPollSlot:
    """A long poll under way."""

    def __init__(self, free: threading.BoundedSemaphore) -> None:
        self._free = free
        self._taken = True

    def leave(self) -> None:
        """Give the slot back; the second time does nothing."""
        if self._taken:
            self._taken = False
            self._free.release()

    def __enter__(self) -> LongPollSlot:
        return self

    def __exit__(self, *_: object) -> None:
        self.leave()
