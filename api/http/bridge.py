"""Runs the WSGI application in threads behind an ASGI server; what waits, waits in the event loop.

Why not the server's own WSGI mode: there a client that dies in the middle of a chunked body looks exactly like one
that has finished, and one that hangs up during a long poll goes unnoticed. ASGI tells both.
"""

from __future__ import annotations

import asyncio
import signal
import weakref
from concurrent.futures import ThreadPoolExecutor

from api.http.disconnect import ClientDisconnect
from api.http.exchange import Exchange
from api.http.server_loop import Message, Receive, Send
from api.http.thread_waits import Wsgi

PROBES = ("/healthz", "/readyz", "/metrics")


class Bridge:
    """The ASGI application."""

    def __init__(self, wsgi: Wsgi, threads: int) -> None:
        self._wsgi = wsgi
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="request")
        # Probes are answered even while slow clients hold all the other threads.
        self._probes = ThreadPoolExecutor(2, thread_name_prefix="probe")
        self._stopping = False
        self._open: weakref.WeakSet[ClientDisconnect] = weakref.WeakSet()

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif scope["type"] == "http":
            loop = asyncio.get_running_loop()
            exchange = Exchange(self._wsgi, scope, receive, send, loop)
            self._open.add(exchange.disconnect)
            threads = self._probes if scope["path"] in PROBES else self._threads
            if self._stopping:
                exchange.disconnect.set()
            await exchange.answer(threads)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        # The server reports a shutdown only after the last answer, so long polls would delay it by their whole wait.
        # Its own handler gets signals through the loop's wake-up descriptor and still gets them with this one.
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._wake_waiting)
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})

    def _wake_waiting(self, *_: object) -> None:
        self._stopping = True
        for disconnect in list(self._open):
            disconnect.set()
