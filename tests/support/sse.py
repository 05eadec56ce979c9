"""Clients of event streams that are no threads: many sockets in one loop."""

from __future__ import annotations

import selectors
import socket
from collections.abc import Callable, Sequence
from time import monotonic

from tests.support.api import KEY, Server


class Listener:
    """A connection on which a request was sent, and all that came of it."""

    def __init__(self, server: Server, path: str, headers: dict[str, str] | None = None, key: str = KEY) -> None:
        self.socket = socket.create_connection(("127.0.0.1", server.port), timeout=180)
        given = {"Host": "here", "Authorization": f"Bearer {key}", **(headers or {})}
        lines = "".join(f"{name}: {value}\r\n" for name, value in given.items())
        self.socket.sendall(f"GET {path} HTTP/1.1\r\n{lines}\r\n".encode())
        self.got = b""
        self.closed = False

    def read(self) -> None:
        """Take what there is."""
        block = self.socket.recv(65_536)
        self.got += block
        self.closed |= not block

    def close(self) -> None:
        self.socket.close()


def read_until(listeners: Sequence[Listener], done: Callable[[Listener], bool], seconds: float = 180.0) -> None:
    """Read all of them until each is done."""
    end = monotonic() + seconds
    with selectors.DefaultSelector() as selector:
        waiting = {listener for listener in listeners if not done(listener)}
        for listener in waiting:
            selector.register(listener.socket, selectors.EVENT_READ, listener)
        while waiting:
            assert monotonic() < end, f"{len(waiting)} of {len(listeners)} have not got it: {next(iter(waiting)).got!r}"
            for key, _ in selector.select(1.0):
                listener = key.data
                listener.read()
                if done(listener):
                    waiting.discard(listener)
                    selector.unregister(listener.socket)
                else:
                    assert not listener.closed, listener.got
