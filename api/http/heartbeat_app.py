"""The API's heartbeat, which comes from its event loop: it stops when the loop is stuck."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from api.http.server_loop import Message, Receive, Send
from core.heartbeat import BEAT_S, Heartbeat

Asgi = Callable[[Message, Receive, Send], Awaitable[None]]


class HeartbeatApp:
    """An ASGI application with a heartbeat for as long as the server runs it."""

    def __init__(self, app: Asgi, heartbeat: Heartbeat) -> None:
        self._app = app
        self._heartbeat = heartbeat

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan":
            await self._app(scope, receive, send)
            return
        beating = asyncio.create_task(self._beat())
        try:
            await self._app(scope, receive, send)
        finally:
            beating.cancel()

    async def _beat(self) -> None:
        while True:
            self._heartbeat.beat()
            await asyncio.sleep(BEAT_S)
