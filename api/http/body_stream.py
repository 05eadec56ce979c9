"""A request's body as it arrives, read by the thread that answers the request."""

from __future__ import annotations

import asyncio
import time

from api.http.server_loop import Receive, run_in_loop
from core.errors import RequestError

SILENCE_S = 30.0  # a body of which nothing arrives for so long is given up,
GRACE_S = 30.0  # and after so long one that arrives too slowly
LEAST_BYTES_S = 1000


class BodyStream:
    """`wsgi.input`: the body as it arrives. Its end means that the client has sent all of it."""

    def __init__(self, receive: Receive, loop: asyncio.AbstractEventLoop, *, ended: bool) -> None:
        self._receive = receive
        self._loop = loop
        self._buffer = b""
        self._begun = time.monotonic()
        self._received = 0
        self.ended = ended

    def read(self, size: int = -1) -> bytes:
        """Up to `size` bytes, b"" at the end; without a size all that is left.

        Raises:
            RequestError: `body_incomplete` if the client is gone, `request_timeout` if it is silent.
        """
        if size < 0:
            return b"".join(iter(lambda: self.read(1 << 16), b""))
        while not self._buffer and not self.ended:
            self._fill()
        block, self._buffer = self._buffer[:size], self._buffer[size:]
        return block

    def _fill(self) -> None:
        try:
            message = run_in_loop(self._loop, self._receive(), SILENCE_S)
        except TimeoutError:
            problem = f"Nothing arrived for {SILENCE_S:.0f} seconds; nothing was accepted."
            raise RequestError("request_timeout", problem) from None
        if message["type"] != "http.request":
            self.ended = True
            raise RequestError("body_incomplete", "The connection ended before the body did; nothing was accepted.")
        self._buffer = message.get("body", b"")
        self._received += len(self._buffer)
        waited = time.monotonic() - self._begun
        if waited > GRACE_S and self._received < LEAST_BYTES_S * waited and message.get("more_body", False):
            problem = f"Less than {LEAST_BYTES_S:,} bytes a second arrived; nothing was accepted."
            raise RequestError("request_timeout", problem)
        self.ended = not message.get("more_body", False)

    async def skip(self) -> None:
        """Read on without keeping anything; for the loop's own thread."""
        message = await self._receive()
        self.ended = message["type"] != "http.request" or not message.get("more_body", False)
