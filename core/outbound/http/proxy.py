"""Fetching through a proxy, for networks that have no other way out.

A proxy dials, so the guard cannot judge the address that is dialled. It judges what can be known before: an address
in the URL itself, and every address that the name has here. A name that is unknown here is left to the proxy, for
behind proxies that is usual. What is left over is the proxy's to refuse (docs/decisions/0084).
"""

from __future__ import annotations

import socket
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from core.outbound.addresses import address_allowed

_THREADS = 8
_KNOWN_S = 60.0
_MOST_NAMES = 10_000


class Proxy:
    """A proxy and the judgement of hosts behind it. Thread-safe.

    Args:
        url: http://[user:password@]host:port, or https://.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self._lock = threading.Lock()
        self._known: OrderedDict[str, tuple[bool, float]] = OrderedDict()
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="names")

    def may_reach(self, host: str) -> bool | None:
        """Whether the proxy may be asked for a host; None: it has to be looked up."""
        with self._lock:
            found, until = self._known.get(host, (None, 0.0))
            return found if time.monotonic() < until else None

    def look_up(self, host: str, then: Callable[[], object]) -> None:
        """Find out about a host on another thread, which calls `then`.

        Raises:
            RuntimeError: no thread is to be had, or this is closed.
        """
        self._pool.submit(self._look_up, host, then)

    def close(self) -> None:
        """Look nothing up any more."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _look_up(self, host: str, then: Callable[[], object]) -> None:
        try:
            addresses = {str(info[4][0]) for info in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)}
        except (OSError, UnicodeError):
            addresses = set()
        with self._lock:
            self._known[host] = all(map(address_allowed, addresses)), time.monotonic() + _KNOWN_S
            self._known.move_to_end(host)
            while len(self._known) > _MOST_NAMES:
                self._known.popitem(last=False)
        then()
