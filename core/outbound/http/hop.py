"""One request to one server, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from core.errors import ItemError
from core.memory_budget import Reservation
from core.outbound.url_policy import ParsedUrl

REDIRECTS = frozenset({301, 302, 303, 307, 308})


@dataclass(frozen=True, slots=True)
class Hop:
    """One request to one server, within the limits that are left of the whole.

    Attributes:
        decode: how a body's Content-Encoding is undone: not at all, by us, or by libcurl, which alone knows Brotli.
        follow: a redirect's body is of no interest.
        status_only: the status line is the answer, whatever becomes of the rest.
        proxy: the URL of the proxy that is dialled instead; "" for none.
        memory: asked for room before any of the body is taken in; None: there is no bound but `max_bytes`.
    """

    url: ParsedUrl
    method: str
    headers: Mapping[str, str]
    body: bytes | None
    timeout_s: float
    connect_timeout_s: float
    max_bytes: int
    decode: str  # "", "ours" or "curl"
    follow: bool
    status_only: bool
    proxy: str = ""
    memory: Reservation | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a hop: an error, or a response.

    Attributes:
        silent: time ran out before the server had sent a single byte.
        connected: a connection stood, TLS included.
    """

    error: ItemError | None = None
    status: int = 0
    headers: Mapping[str, str] | None = None
    body: bytes = b""
    silent: bool = False
    connected: bool = False

    @property
    def location(self) -> str | None:
        """Where the server redirects to."""
        return self.headers.get("location") if self.headers and self.status in REDIRECTS else None
