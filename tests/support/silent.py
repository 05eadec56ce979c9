"""Hosts that accept a connection and never say a word."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager


@contextmanager
def silent_hosts(count: int) -> Iterator[list[str]]:
    """So many of them on loopback; gives host:port of each. The kernel connects, and nobody ever reads."""
    with ExitStack() as stack:
        places = []
        for _ in range(count):
            listening = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=512))
            places.append("{}:{}".format(*listening.getsockname()))
        yield places
