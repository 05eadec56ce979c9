"""Waiting in the request's own thread, under a WSGI server that knows nothing of waits, and in tests."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from time import monotonic
from typing import Any

from api.http.loop_waits import HEARTBEAT
from api.http.waits import BRIDGED, WAIT, WAITED, Event, EventStream, Park, Wait

Wsgi = Callable[..., Iterable[bytes]]


class ThreadWaits:
    """WSGI middleware that sees to the waits of an application, unless its caller does."""

    def __init__(self, app: Wsgi) -> None:
        self._app = app

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if environ.get(BRIDGED):
            return self._app(environ, start_response)
        untouched = environ.copy()
        begun: list[Any] = []
        blocks = self._app(environ, lambda *head: begun.append(head))
        wait = environ.get(WAIT)
        if isinstance(wait, Park):
            with _Slot(wait) as slot:
                slot.take(wait.seconds)
            return self._app({**untouched, WAITED: wait}, start_response)
        start_response(*begun[-1])
        return _Stream(wait) if isinstance(wait, EventStream) else blocks


class _Slot:
    """Where the newest event of a wait lies until it is taken; leaves the wait's place at the end."""

    def __init__(self, wait: Wait) -> None:
        self._event: Event | None = None
        self._news = threading.Condition()
        self._place = wait.place
        self._end = wait.source.open(self._deliver)

    def _deliver(self, event: Event) -> None:
        with self._news:
            if self._event is None or not self._event.last:
                self._event = event
            self._news.notify()

    def take(self, seconds: float) -> Event | None:
        with self._news:
            self._news.wait_for(lambda: self._event is not None, seconds)
            event, self._event = self._event, None
            return event

    def close(self) -> None:
        self._end()
        self._place.leave()

    def __enter__(self) -> _Slot:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Stream:
    """A stream's blocks; closed whether or not anything was read of it."""

    def __init__(self, stream: EventStream) -> None:
        self._stream = stream
        self._slot = _Slot(stream)
        self.close = self._slot.close

    def __iter__(self) -> Iterator[bytes]:
        end = monotonic() + self._stream.seconds
        yield self._stream.first
        while monotonic() < end:
            event = self._slot.take(min(self._stream.heartbeat_s, end - monotonic()))
            if event is None or event.data:
                yield HEARTBEAT if event is None else event.data
            if event is not None and event.last:
                return
