"""One request and its answer: the WSGI application called in a thread, its answer sent to the ASGI server."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

import structlog

from api.http.body_stream import BodyStream
from api.http.disconnect import DISCONNECT, ClientDisconnect
from api.http.environ import make_environ
from api.http.server_loop import Message, Receive, Send, run_in_loop

Wsgi = Callable[..., Iterable[bytes]]
DRAIN_S = 15.0
SEND_S = 300.0  # a client that takes nothing for so long is given up
log = structlog.get_logger(__name__)


class Exchange:
    """One request and its answer; everything but the constructor runs in the request's thread."""

    def __init__(
        self, wsgi: Wsgi, scope: Message, receive: Receive, send: Send, loop: asyncio.AbstractEventLoop
    ) -> None:
        self._wsgi = wsgi
        self._scope = scope
        self._send = send
        self._loop = loop
        self._head: Message = {}
        self.disconnect = ClientDisconnect(receive, loop)
        self._input = BodyStream(receive, loop, ended=not _has_body(scope))

    def run(self) -> list[Message]:
        """Answer; returns the messages that are still to be sent: short answers then need no change of threads."""
        environ = make_environ(self._scope, self._input)
        environ[DISCONNECT] = self.disconnect
        app_iter = self._wsgi(environ, self._start)
        try:
            if any(name == b"content-length" for name, _ in self._head["headers"]):
                return [self._head, _body(b"".join(app_iter), more=False)]
            return self._stream(app_iter)
        finally:
            self.disconnect.close()
            close = getattr(app_iter, "close", None)
            if close is not None:
                close()

    async def drain(self) -> None:
        """Read the rest of a body that was refused half-way: many clients read no answer before they have sent
        everything, and would only see a broken connection."""
        try:
            async with asyncio.timeout(DRAIN_S):
                while not self._input.ended and not self.disconnect.is_set():
                    await self._input.skip()
        except TimeoutError:
            pass

    def _start(self, status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Callable[[bytes], object]:
        self._head = {
            "type": "http.response.start",
            "status": int(status[:3]),
            "headers": [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers],
        }
        return lambda _: None

    def _stream(self, app_iter: Iterable[bytes]) -> list[Message]:
        """Send the blocks of an answer of unknown length.

        One that is cut (the server stops, the client is gone, the application fails) is left without its last message:
        the server then breaks the connection, so that no client takes what it has for the whole.
        """
        begun = False
        try:
            for block in app_iter:
                if self.disconnect.is_set():
                    return [] if begun else [self._head, _body(b"", more=True)]
                if not begun:
                    begun = True
                    self._send_now(self._head)
                self._send_now(_body(block, more=True))
        except Exception as error:
            log.error("an answer was cut short", exc_info=error)
            return []
        return [_body(b"", more=False)] if begun else [self._head, _body(b"", more=False)]

    def _send_now(self, message: Message) -> None:
        run_in_loop(self._loop, self._send(message), SEND_S)


def _body(block: bytes, *, more: bool) -> Message:
    return {"type": "http.response.body", "body": block, "more_body": more}


def _has_body(scope: Message) -> bool:
    return any(name in (b"content-length", b"transfer-encoding") and value != b"0" for name, value in scope["headers"])
