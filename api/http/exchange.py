"""One request and its answer: the WSGI application called in a thread, its answer sent to the ASGI server."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from concurrent.futures import Executor
from typing import Any

import structlog

from api.http.body_stream import BodyStream
from api.http.disconnect import DISCONNECT, ClientDisconnect
from api.http.environ import make_environ
from api.http.loop_waits import send_events, wait_parked
from api.http.server_loop import Message, Receive, Send, run_in_loop
from api.http.thread_waits import Wsgi
from api.http.waits import BRIDGED, WAIT, WAITED, EventStream, Park, Wait

DRAIN_S = 15.0
SEND_S = 300.0  # a client that takes nothing for so long is given up
log = structlog.get_logger(__name__)


class Exchange:
    """One request and its answer."""

    def __init__(
        self, wsgi: Wsgi, scope: Message, receive: Receive, send: Send, loop: asyncio.AbstractEventLoop
    ) -> None:
        self._wsgi = wsgi
        self._scope = scope
        self._send = send
        self._loop = loop
        self._head: Message = {}
        self._wait: Wait | None = None
        self.disconnect = ClientDisconnect(receive, loop)
        self._input = BodyStream(receive, loop, ended=not _has_body(scope))

    async def answer(self, threads: Executor) -> None:
        """Answer: the application runs in one of the threads, its waits in the loop."""
        try:
            messages = await self._answered(threads)
        finally:
            self.disconnect.close()
        for message in messages:
            await self._send(message)
        await self.drain()

    async def _answered(self, threads: Executor) -> list[Message]:
        """Call the application until it does not want to wait; what is still to be sent."""
        waited = None
        while True:
            messages = await self._loop.run_in_executor(threads, self._run, waited)
            wait, self._wait = self._wait, None
            if isinstance(wait, EventStream):
                return await self._events(wait)
            if not isinstance(wait, Park):
                return messages
            await wait_parked(wait, self.disconnect)
            if self.disconnect.hung_up:
                await self._loop.run_in_executor(threads, wait.hung_up)
                return []
            waited = wait

    async def _events(self, stream: EventStream) -> list[Message]:
        """Send a stream; one that the client does not take is left without its last message, as in `_stream`."""
        try:
            await self._send(self._head)
            whole = await send_events(stream, self.disconnect, lambda block: self._send(_body(block, more=True)))
        finally:
            stream.place.leave()  # also if not even the head could be sent
        return [_body(b"", more=False)] if whole else []

    def _run(self, waited: Park | None) -> list[Message]:
        """Call the application, in a thread; returns the messages that are still to be sent: short answers then need no
        change of threads."""
        environ = make_environ(self._scope, self._input)
        environ[DISCONNECT], environ[BRIDGED] = self.disconnect, True
        if waited is not None:
            environ[WAITED] = waited
        app_iter = self._wsgi(environ, self._start)
        try:
            self._wait = environ.get(WAIT)
            if self._wait is not None:
                return []
            if any(name == b"content-length" for name, _ in self._head["headers"]):
                return [self._head, _body(b"".join(app_iter), more=False)]
            return self._stream(app_iter)
        finally:
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
