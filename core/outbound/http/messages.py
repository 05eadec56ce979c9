"""What goes into the HTTP client and what comes out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from core.memory_budget import Reservation
from core.states import Priority

_SECONDS = re.compile(r"[0-9]+(\.[0-9]*)?", re.ASCII)  # no fractions in the standard; some servers send them


@dataclass(frozen=True, slots=True)
class Request:
    """One request, redirects and repetitions included.

    Attributes:
        method: GET, HEAD, POST, PUT, PATCH or DELETE.
        url: absolute; judged by the URL policy on every hop.
        headers: sent in addition to the client's own; of equal names, these win.
        body: sent as it stands; None: no body.
        timeout_s: total time of all hops and repetitions, from the moment the first transfer starts.
        max_bytes: most bytes of body, counted after decompression.
        max_redirects: redirects followed; 0: a redirect is a response like any other.
        accept_encoding: ask for a compressed body and decompress it.
        retries: how often a failure that is not permanent is tried again. Only for requests that may be repeated.
        status_only: the status line is the answer: whatever becomes of the headers and the body behind it, it stands.
            At most `max_bytes` of the body are read, for at most `body_time_s`, so that the connection can be kept.
        priority: interactive requests start first, and some places are kept for them.
        host_aware: one of many like it, so what is known of its host counts. It waits without a place, its time
            and its retries untouched, where the host asks for time (429 or 503 with Retry-After), fails as
            `host_paused` (see Postponed) where that takes long, and as `host_unresponsive` where nobody answers.
        memory: counts the body's bytes. While there is no room for more of them, no more are read, and the time does
            not run. What the response has is counted until the caller releases it, as it must in any case.
    """

    url: str
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    timeout_s: float = 30.0
    max_bytes: int = 1024 * 1024
    max_redirects: int = 0
    accept_encoding: bool = False
    retries: int = 0
    status_only: bool = False
    body_time_s: float = 2.0
    priority: Priority = Priority.BULK
    host_aware: bool = False
    memory: Reservation | None = None


@dataclass(frozen=True, slots=True)
class Response:
    """The final response, whatever its status.

    Attributes:
        status: the HTTP status.
        headers: by lower-case name; of repeated headers, the first.
        body: decompressed where that was asked for.
        url: of the last hop.
        elapsed_s: time spent on transfers, without waiting for a free connection.
    """

    status: int
    headers: dict[str, str]
    body: bytes
    url: str
    elapsed_s: float

    @property
    def retry_after_s(self) -> float | None:
        """Seconds the server asks to wait, not negative; None: it does not say."""
        return retry_after_s(self.headers)


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Retry-After in seconds, not negative (RFC 9110, section 10.2.3); None: not there, or not to be understood.

    A moment is read by the server's own clock where it tells that (Date).
    """
    value = headers.get("retry-after", "").strip()
    if _SECONDS.fullmatch(value):
        return float(value[:12])
    moment = _moment(value)
    if moment is None:
        return None
    return max(0.0, (moment - (_moment(headers.get("date", "")) or datetime.now(UTC))).total_seconds())


def _moment(value: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)  # "-0000" is UTC
