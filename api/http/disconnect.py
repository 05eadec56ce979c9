"""Whether the client of a request is still there."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Protocol

from flask import request

from api.http.server_loop import Receive

DISCONNECT = "tagline.disconnect"  # the WSGI environment's key for a request's Disconnect


class Disconnect(Protocol):
    """Set once the client has hung up or the server stops; `threading.Event` is one."""

    def is_set(self) -> bool: ...

    def wait(self, timeout: float | None = None) -> bool: ...


class ClientDisconnect:
    """Set when the client hangs up or the server stops. The client is watched from the first question on.

    Attributes:
        hung_up: it is the client who ended it.
    """

    def __init__(self, receive: Receive, loop: asyncio.AbstractEventLoop) -> None:
        self._receive = receive
        self._loop = loop
        self._event = threading.Event()
        self._watch: Future[None] | None = None
        self._told: Callable[[], None] = lambda: None
        self.hung_up = False

    def is_set(self) -> bool:
        self._begin()
        return self._event.is_set()

    def wait(self, timeout: float | None = None) -> bool:
        self._begin()
        return self._event.wait(timeout)

    def set(self) -> None:
        self._event.set()
        self._loop.call_soon_threadsafe(self._told)

    def tell(self, told: Callable[[], None]) -> None:
        """Call this once it is set, in the loop; to be called there, too. Only the last one is."""
        self._told = told
        if self.is_set():
            told()

    def close(self) -> None:
        """Stop watching."""
        if self._watch is not None:
            self._watch.cancel()

    def _begin(self) -> None:
        if self._watch is None:
            self._watch = asyncio.run_coroutine_threadsafe(self._until_disconnect(), self._loop)

    async def _until_disconnect(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self.hung_up = True
        self._event.set()
        self._told()


def client_gone() -> Disconnect:
    """The Disconnect of the current request; never set under a server that does not report it."""
    gone: Disconnect = request.environ.get(DISCONNECT) or threading.Event()
    return gone
