"""What goes into the HTTP client and what comes out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

USER_AGENT = "Tagline/0.1"


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
        """Seconds the server asks to wait (RFC 9110 section 10.2.3), not negative; None: it does not say."""
        value = self.headers.get("retry-after", "").strip()
        if value.isascii() and value.isdigit():
            return float(value[:9])
        try:
            moment = parsedate_to_datetime(value)
        except ValueError:
            return None
        if moment.tzinfo is None:  # "-0000": UTC without saying where
            moment = moment.replace(tzinfo=UTC)
        return max(0.0, (moment - datetime.now(UTC)).total_seconds())
