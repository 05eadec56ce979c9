"""Runs the WSGI application in threads behind an ASGI server.

Why not the server's own WSGI mode: there a client that dies in the middle of a chunked body looks exactly like one
that has finished, and one that hangs up during a long poll goes unnoticed. ASGI tells both.
"""

from __future__ import annotations

import asyncio
import signal
import sys
import threading
import time
import weakref
from collections.abc import Awaitable, Callable, Coroutine, Iterable, MutableMapping
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeout
from typing import Any, TypeVar
from urllib.parse import unquote_to_bytes

from api.http.waiting import DISCONNECT
from api.submission.body import VERIFIED
from core.errors import RequestError

T = TypeVar("T")
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Wsgi = Callable[..., Iterable[bytes]]
SILENCE_S = 30.0  # a body that stops arriving for so long is given up,
GRACE_S = 30.0  # and after so long one that trickles
LEAST_BYTES_S = 1000
PROBES = ("/healthz", "/readyz", "/metrics")
DRAIN_S = 15.0
SEND_S = 300.0  # and so is a client that takes nothing for so long


class Bridge:
    """The ASGI application."""

    def __init__(self, wsgi: Wsgi, threads: int) -> None:
        self._wsgi = wsgi
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="request")
        # However many clients are slow, whoever asks whether we live gets an answer.
        self._probes = ThreadPoolExecutor(2, thread_name_prefix="probe")
        self._open: weakref.WeakSet[ClientDisconnect] = weakref.WeakSet()

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "http":
            loop = asyncio.get_running_loop()
            exchange = Exchange(self._wsgi, scope, receive, send, loop)
            self._open.add(exchange.gone)
            threads = self._probes if scope["path"] in PROBES else self._threads
            for message in await loop.run_in_executor(threads, exchange.run):
                await send(message)
            await exchange.drain()

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        # The server tells of a shutdown only after the last answer, so those who wait would hold it up. Its own
        # handler hangs on the loop's wake-up descriptor, which this leaves alone.
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop_waiting)
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})

    def _stop_waiting(self, *_: object) -> None:
        for gone in list(self._open):
            gone.set()


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
        self.gone = ClientDisconnect(receive, loop)
        self._input = BodyStream(receive, loop, ended=not _has_body(scope))

    def run(self) -> list[Message]:
        """Answer; returns the messages still to be sent, which saves a change of threads for short answers."""
        environ = make_environ(self._scope, self._input)
        environ[DISCONNECT] = self.gone
        app_iter = self._wsgi(environ, self._start)
        try:
            if any(name == b"content-length" for name, _ in self._head["headers"]):
                return [self._head, _body(b"".join(app_iter), more=False)]
            return self._stream(app_iter)
        finally:
            self.gone.close()
            close = getattr(app_iter, "close", None)
            if close is not None:
                close()

    async def drain(self) -> None:
        """Take what is left of a body that was refused half-way: many clients read no answer before they have sent
        everything, and would only see a broken connection."""
        try:
            async with asyncio.timeout(DRAIN_S):
                while not self._input.ended and not self.gone.is_set():
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
        last = _body(b"", more=False)
        begun = False
        for block in app_iter:
            if self.gone.is_set():
                return [last] if begun else [self._head, last]
            if not begun:
                begun = True
                self._pass(self._head)
            self._pass(_body(block, more=True))
        return [last] if begun else [self._head, last]

    def _pass(self, message: Message) -> None:
        in_loop(self._loop, _awaited(self._send(message)), SEND_S)


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
            message = in_loop(self._loop, _awaited(self._receive()), SILENCE_S)
        except FutureTimeout:
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


class ClientDisconnect:
    """Set when the client hangs up or the server stops. Watches only once somebody asks."""

    def __init__(self, receive: Receive, loop: asyncio.AbstractEventLoop) -> None:
        self._receive = receive
        self._loop = loop
        self._event = threading.Event()
        self._watch: Future[None] | None = None

    def is_set(self) -> bool:
        self._begin()
        return self._event.is_set()

    def wait(self, timeout: float | None = None) -> bool:
        self._begin()
        return self._event.wait(timeout)

    def set(self) -> None:
        self._event.set()

    def close(self) -> None:
        """Stop looking."""
        if self._watch is not None:
            self._watch.cancel()

    def _begin(self) -> None:
        if self._watch is None:
            self._watch = asyncio.run_coroutine_threadsafe(self._until_gone(), self._loop)

    async def _until_gone(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._event.set()


def make_environ(scope: Message, stream: BodyStream) -> dict[str, Any]:
    """The WSGI environment (PEP 3333) of an ASGI HTTP scope."""
    environ: dict[str, Any] = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(scope["raw_path"].split(b"?")[0]).decode("latin-1"),
        "QUERY_STRING": _latin1(scope["query_string"]),
        "SERVER_NAME": scope["server"][0],
        "SERVER_PORT": str(scope["server"][1]),
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        "REMOTE_ADDR": scope["client"][0] if scope.get("client") else "",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope["scheme"],
        "wsgi.input": stream,
        "wsgi.input_terminated": True,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
        VERIFIED: True,
    }
    for raw_name, raw_value in scope["headers"]:
        name = _latin1(raw_name).upper().replace("-", "_")
        key = name if name in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{name}"
        value = _latin1(raw_value)
        environ[key] = f"{environ[key]},{value}" if key in environ else value
    return environ


def in_loop(loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, T], seconds: float) -> T:
    """Run a coroutine in the loop of another thread and wait for it.

    Raises:
        FutureTimeout: it took longer than that.
    """
    future = asyncio.run_coroutine_threadsafe(work, loop)
    try:
        return future.result(seconds)
    except FutureTimeout:
        future.cancel()
        raise


async def _awaited(awaitable: Awaitable[T]) -> T:
    return await awaitable


def _body(block: bytes, *, more: bool) -> Message:
    return {"type": "http.response.body", "body": block, "more_body": more}


def _has_body(scope: Message) -> bool:
    return any(name in (b"content-length", b"transfer-encoding") and value != b"0" for name, value in scope["headers"])


def _latin1(raw: bytes | str) -> str:
    return raw if isinstance(raw, str) else raw.decode("latin-1")
