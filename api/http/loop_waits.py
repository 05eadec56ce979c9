"""Waiting in the event loop: a request that waits costs a socket and a task, and no thread."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from api.http.disconnect import ClientDisconnect
from api.http.waits import Event, EventStream, Park, Wait

HEARTBEAT = b": still here\n\n"
SEND_S = 30.0  # a client that takes nothing for so long is given up
SendBlock = Callable[[bytes], Awaitable[None]]


class Mailbox:
    """The newest event that was not taken yet: one that comes meanwhile replaces it, so nothing piles up."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._event: Event | None = None
        self._news = asyncio.Event()
        self._closed = False

    def deliver(self, event: Event) -> None:
        """From any thread. After the last event nothing is taken."""
        self._loop.call_soon_threadsafe(self._put, event)  # in the loop alone: `take` may be about to empty it

    def close(self) -> None:
        """From the loop: whoever waits is told that nothing will come."""
        self._closed = True
        self._news.set()

    @property
    def closed(self) -> bool:
        return self._closed

    async def take(self, until: float, not_before: float = 0.0) -> Event | None:
        """The next event, or None if there is none until then, or nothing will come.

        Args:
            until: of the loop's clock.
            not_before: an event that is not the last one waits until then.
        """
        while not self._closed:
            now, event = self._loop.time(), self._event
            if event is not None and (event.last or now >= not_before):
                self._event = None
                return event
            end = until if event is None else min(until, not_before)
            if now >= until:
                return None
            self._news.clear()
            try:
                async with asyncio.timeout_at(end):
                    await self._news.wait()
            except TimeoutError:
                pass
        return None

    def _put(self, event: Event) -> None:
        if self._event is None or not self._event.last:
            self._event = event
            self._news.set()


async def wait_parked(wait: Park, disconnect: ClientDisconnect) -> None:
    """Wait for a parked request's event, its time, its client's leaving, or the server's stop."""
    mailbox, close = _open(wait, disconnect)
    try:
        await mailbox.take(asyncio.get_running_loop().time() + wait.seconds)
    finally:
        close()


async def send_events(stream: EventStream, disconnect: ClientDisconnect, send: SendBlock) -> bool:
    """Send a stream's events to its end; False if the client did not take them."""
    mailbox, close = _open(stream, disconnect)
    clock = asyncio.get_running_loop().time
    end, not_before = clock() + stream.seconds, 0.0
    try:
        await _sent(send, stream.first)
        while not mailbox.closed and clock() < end:
            event = await mailbox.take(min(end, clock() + stream.heartbeat_s), not_before)
            if mailbox.closed or (event is None and clock() >= end):
                break
            if event is None or event.data:
                await _sent(send, HEARTBEAT if event is None else event.data)
            if event is not None and event.last:
                break
            not_before = clock() + stream.pause_s
    except TimeoutError:
        return False
    finally:
        close()
    return not disconnect.hung_up


async def _sent(send: SendBlock, block: bytes) -> None:
    async with asyncio.timeout(SEND_S):
        await send(block)


def _open(wait: Wait, disconnect: ClientDisconnect) -> tuple[Mailbox, Callable[[], None]]:
    """A mailbox that the wait's events come into, closed when the client is gone; and what ends all that."""
    mailbox = Mailbox(asyncio.get_running_loop())
    disconnect.tell(mailbox.close)
    end = wait.source.open(mailbox.deliver)

    def close() -> None:
        end()
        wait.place.leave()

    return mailbox, close
