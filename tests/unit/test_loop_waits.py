"""Waiting in the event loop: what is sent, what is left out, and who is given up."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from api.http import loop_waits
from api.http.disconnect import ClientDisconnect
from api.http.exchange import Exchange
from api.http.places import Places
from api.http.server_loop import Message
from api.http.waits import WAIT, Event, EventStream
from core.errors import RequestError

Deliver = Callable[[Event], None]


class Changes:
    """A source whose events the test gives."""

    def __init__(self) -> None:
        self.deliver: Deliver = lambda event: None
        self.ended = False

    def open(self, deliver: Deliver) -> Callable[[], None]:
        self.deliver = deliver
        return self._end

    def _end(self) -> None:
        self.ended = True


async def connected() -> Message:
    """What ASGI's receive gives while the client stays."""
    await asyncio.Event().wait()
    raise AssertionError


def stream(source: Changes, places: Places, *, seconds: float = 30, pause_s: float = 0.0) -> EventStream:
    place = places.enter("t")
    return EventStream(source=source, seconds=seconds, place=place, first=b"first", pause_s=pause_s, heartbeat_s=20)


def run(source: Changes, places: Places, wait: EventStream, told: list[Event], blocks: list[bytes]) -> bool:
    """Send a stream; the events in `told` come while its first bytes are sent."""

    async def send(block: bytes) -> None:
        blocks.append(block)
        while told:
            source.deliver(told.pop(0))

    async def whole() -> bool:
        disconnect = ClientDisconnect(connected, asyncio.get_running_loop())
        try:
            return await loop_waits.send_events(wait, disconnect, send)
        finally:
            disconnect.close()

    return asyncio.run(whole())


def test_events_that_come_meanwhile_are_one() -> None:
    """Fails if what a slow client has missed piles up, or if the last event is lost among others."""
    source, places, blocks = Changes(), Places(1), list[bytes]()
    told = [Event(b"1", last=False), Event(b"2", last=False), Event(b"end", last=True), Event(b"after", last=False)]
    assert run(source, places, stream(source, places), told, blocks)
    assert blocks == [b"first", b"end"]
    assert source.ended
    assert places.taken() == 0


def test_the_last_event_is_not_lost_while_another_is_taken() -> None:
    """Fails if taking an event empties the mailbox of what another thread put there at that moment: the stream would go
    on without its end for an hour."""

    async def both() -> list[Event | None]:
        mailbox = loop_waits.Mailbox(asyncio.get_running_loop())

        class Taken:
            """An event at whose reading, in the middle of `take`, the next one comes."""

            data = b"1"
            read = False

            @property
            def last(self) -> bool:
                if not self.read:
                    self.read = True
                    mailbox.deliver(Event(b"end", last=True))
                return False

        taken = Taken()
        mailbox.deliver(taken)  # type: ignore[arg-type]
        soon = asyncio.get_running_loop().time() + 5
        return [await mailbox.take(soon), await mailbox.take(soon)]

    assert [event and event.data for event in asyncio.run(both())] == [b"1", b"end"]


def test_a_stream_whose_head_cannot_be_sent_leaves_its_place() -> None:
    places = Places(1)

    def wsgi(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        environ[WAIT] = stream(Changes(), places)
        start_response("200 OK", [])
        return []

    async def broken(message: Message) -> None:
        raise OSError("the connection is gone")

    async def answer() -> None:
        scope = {
            "method": "GET", "path": "/", "raw_path": b"/", "query_string": b"", "headers": [], "scheme": "http",
            "http_version": "1.1", "server": ("127.0.0.1", 8000), "root_path": "",
        }  # fmt: skip
        with ThreadPoolExecutor(1) as threads:
            await Exchange(wsgi, scope, connected, broken, asyncio.get_running_loop()).answer(threads)

    with pytest.raises(OSError, match="gone"):
        asyncio.run(answer())
    assert places.taken() == 0


def test_the_last_event_does_not_wait_for_its_turn() -> None:
    source, places, blocks = Changes(), Places(1), list[bytes]()
    told = [Event(b"end", last=True)]
    assert run(source, places, stream(source, places, pause_s=3600), told, blocks)
    assert blocks == [b"first", b"end"]


def test_a_stream_has_its_time() -> None:
    source, places, blocks = Changes(), Places(1), list[bytes]()
    assert run(source, places, stream(source, places, seconds=0.01), [], blocks)
    assert blocks == [b"first"]
    assert places.taken() == 0


def test_a_client_that_takes_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fails if such a stream goes on for ever, or ends as a whole one does."""
    monkeypatch.setattr(loop_waits, "SEND_S", 0.01)
    source, places = Changes(), Places(1)

    async def never(block: bytes) -> None:
        await asyncio.Event().wait()

    async def stuck() -> bool:
        disconnect = ClientDisconnect(connected, asyncio.get_running_loop())
        try:
            return await loop_waits.send_events(stream(source, places), disconnect, never)
        finally:
            disconnect.close()

    assert not asyncio.run(stuck())
    assert source.ended
    assert places.taken() == 0


def test_half_of_the_places_are_one_tenants_at_most() -> None:
    places = Places(4)
    mine = [places.enter("mine"), places.enter("mine")]
    with pytest.raises(RequestError, match="2 requests of yours wait already"):
        places.enter("mine")
    places.enter("other")
    places.enter("another")
    with pytest.raises(RequestError, match="All 4 places"):
        places.enter("third")
    mine[0].leave()
    mine[0].leave()  # which frees nothing twice
    assert places.taken() == 3
    places.enter("third")
