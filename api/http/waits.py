"""Requests that wait. A view only says what for, and returns: whoever called the application waits, holding no thread.

Two kinds: a request that is parked is answered by calling the application once more when the wait is over; an event
stream has its head from the view, and then sends events as they come. Under our ASGI bridge the event loop waits
(`loop_waits`); under a plain WSGI server the request's thread does (`thread_waits`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from flask import Response, g, request

from api.http.places import Place

WAIT = "tagline.wait"  # the WSGI environment's key for the wait that a view asks for
WAITED = "tagline.waited"  # and for what the application is told when it is called once more
BRIDGED = "tagline.bridged"  # set: the caller of the application sees to its waits


@dataclass(frozen=True, slots=True)
class Event:
    """What a wait is for: bytes to send, if any, and whether it is over."""

    data: bytes
    last: bool


class Source(Protocol):
    """Where events come from."""

    def open(self, deliver: Callable[[Event], None]) -> Callable[[], None]:
        """Call `deliver` with each event from now on, from any thread; gives what ends that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """A wait for at most some seconds, in a place that is left when it is over."""

    source: Source
    seconds: float
    place: Place


@dataclass(frozen=True, slots=True, kw_only=True)
class Park(Wait):
    """Wait for an event, then call the application once more.

    Attributes:
        note: for the view, when it is called again: the request's body cannot be read twice.
        hung_up: called on a thread instead, if the client is gone meanwhile.
    """

    note: Any = None
    hung_up: Callable[[], None] = lambda: None
    request_id: str
    started: float


@dataclass(frozen=True, slots=True, kw_only=True)
class EventStream(Wait):
    """Send events as they come, the first bytes at once, until the last one.

    Attributes:
        first: what is sent at once.
        pause_s: between two events; of those that come meanwhile only the newest is sent.
        heartbeat_s: after so long without an event a comment is sent, so that no proxy takes the connection for dead.
    """

    first: bytes
    pause_s: float
    heartbeat_s: float


def park(
    source: Source, seconds: float, place: Place, note: Any = None, hung_up: Callable[[], None] | None = None
) -> Response:
    """The current view's answer if it wants to be called again: nobody sees it."""
    request.environ[WAIT] = Park(
        source=source, seconds=seconds, place=place, note=note, hung_up=hung_up or (lambda: None),
        request_id=g.request_id, started=g.started,
    )  # fmt: skip
    return Response(status=204)


def begin_stream(head: Response, stream: EventStream) -> Response:
    """The current view's answer if it is a stream: this head, then the stream's events."""
    request.environ[WAIT] = stream
    return head


def waited() -> Park | None:
    """The wait that the current request has behind it, if the application was called before."""
    found: Park | None = request.environ.get(WAITED)
    return found


def will_be_called_again() -> bool:
    """Whether the current request is parked, and what was returned is no answer."""
    return isinstance(request.environ.get(WAIT), Park)
