"""The server's event loop, as the threads that answer requests reach it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypeVar

T = TypeVar("T")
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


def run_in_loop(loop: asyncio.AbstractEventLoop, work: Awaitable[T], seconds: float) -> T:
    """Run what is awaitable in the loop, which is another thread's, and wait for it.

    Raises:
        TimeoutError: it took longer than that; it is cancelled.
    """
    future = asyncio.run_coroutine_threadsafe(_awaited(work), loop)
    try:
        return future.result(seconds)
    except TimeoutError:
        future.cancel()
        raise


async def _awaited(awaitable: Awaitable[T]) -> T:
    return await awaitable
