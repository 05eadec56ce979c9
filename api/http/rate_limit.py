"""How often something may be done, in all or by each of many: in the memory of this process."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from ipaddress import IPv6Address, ip_address

MOST_REMEMBERED = 10_000


class RateLimit:
    """A bucket of tokens for each name: `burst` at once, then one every `every_s` seconds. Safe to share.

    Whoever has drained a bucket, others with the same name wait `every_s` at most once he stops: nobody is locked out
    for long by strangers behind the same proxy.
    """

    def __init__(self, burst: int, every_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._burst, self._every_s, self._clock = burst, every_s, clock
        self._full_at: dict[str, float] = {}  # when a bucket will be full again; those that are full are not kept
        self._lock = threading.Lock()

    def wait_s(self, name: str) -> float:
        """Seconds until the next may be taken; 0: now."""
        with self._lock:
            return self._wait_s(name)

    def take(self, name: str) -> float:
        """Take one; if there is none, nothing is taken, and the seconds until there is one are the answer."""
        with self._lock:
            wait = self._wait_s(name)
            if wait <= 0:
                self._full_at[name] = max(self._full_at.get(name, 0.0), self._clock()) + self._every_s
                self._forget()
            return wait

    def _wait_s(self, name: str) -> float:
        empty_for = self._full_at.get(name, 0.0) - self._clock() - (self._burst - 1) * self._every_s
        return max(0.0, empty_for)

    def _forget(self) -> None:
        if len(self._full_at) > MOST_REMEMBERED:
            now = self._clock()
            left = {name: at for name, at in self._full_at.items() if at > now}
            # Still too many: those who have taken least are forgotten.
            self._full_at = dict(sorted(left.items(), key=lambda item: -item[1])[: MOST_REMEMBERED // 2])


def network_of(address: str) -> str:
    """Who an address stands for: itself, or of IPv6 the network of 64 bits that one customer has."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return "unknown"
    if not isinstance(parsed, IPv6Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return f"{IPv6Address(int(parsed) >> 64 << 64)}/64"
