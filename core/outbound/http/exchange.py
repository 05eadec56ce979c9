"""One request from beginning to end: its hops, its repetitions and the time it has left. Does no I/O."""

from __future__ import annotations

import random
from concurrent.futures import Future
from dataclasses import dataclass, field
from urllib.parse import quote, urljoin

from core.errors import ItemError
from core.outbound.http.handle import Hop, Outcome
from core.outbound.http.messages import Request, Response
from core.outbound.url_policy import ParsedUrl, check_url

_TRANSIENT_STATUS = frozenset({408, 425, 429, 500, 502, 503, 504})
_SECRET_HEADERS = frozenset({"authorization", "cookie", "proxy-authorization"})
_BODY_HEADERS = frozenset({"content-type", "content-length", "content-encoding"})
_URL_CHARACTERS = "".join(map(chr, range(0x21, 0x7F)))
_BACKOFF_S = 0.25


@dataclass(slots=True, eq=False)
class Exchange:
    """A request on its way.

    Attributes:
        left_s: what is left of the request's time; transfers and pauses use it up, waiting for a place does not.
    """

    request: Request
    allow_hosts: tuple[str, ...]
    url: ParsedUrl = field(init=False)
    future: Future[Response] = field(default_factory=Future)
    left_s: float = field(init=False)
    started_at: float = 0.0
    begun: bool = False
    _method: str = field(init=False)
    _headers: dict[str, str] = field(init=False)
    _body: bytes | None = field(init=False)
    _redirects: int = 0
    _attempt: int = 0

    def __post_init__(self) -> None:
        """Raises ItemError: the URL is refused."""
        self.left_s = self.request.timeout_s
        self._restart()

    def _restart(self) -> None:
        self.url = check_url(self.request.url, self.allow_hosts)
        self._method = self.request.method
        self._headers = dict(self.request.headers)
        self._body = self.request.body
        self._redirects = 0

    @property
    def place(self) -> tuple[str, int]:
        """Where the next hop goes."""
        return self.url.host, self.url.port

    def hop(self, connect_timeout_s: float) -> Hop:
        """The next hop."""
        return Hop(
            url=self.url,
            method=self._method,
            headers=self._headers,
            body=self._body,
            timeout_s=self.left_s,
            connect_timeout_s=connect_timeout_s,
            max_bytes=self.request.max_bytes,
            accept_encoding=self.request.accept_encoding,
            follow=self.request.max_redirects > 0,
        )

    def advance(self, outcome: Outcome, took_s: float) -> float | None:
        """Take in what came of a hop.

        Returns:
            Seconds to wait before the next hop; None: there is none, the future is resolved.
        """
        self.left_s -= took_s
        error = outcome.error
        wait_s: float | None = 0.0
        if error is None:
            response = self._response(outcome)
            if outcome.location is not None and self.request.max_redirects > 0:
                try:
                    self._follow(outcome.status, outcome.location)
                    if self.left_s > 0:
                        return 0.0
                    error = ItemError("fetch_timeout", f"{self.url.host} did not answer in time", permanent=False)
                except ItemError as refused:
                    error = refused
            elif response.status not in _TRANSIENT_STATUS or (wait_s := self._pause(response)) is None:
                self.future.set_result(response)
                return None
        if error is not None and (error.permanent or (wait_s := self._pause(None)) is None):
            self.future.set_exception(error)
            return None
        self._restart()
        return wait_s

    def _response(self, outcome: Outcome) -> Response:
        elapsed = self.request.timeout_s - self.left_s
        return Response(outcome.status, dict(outcome.headers or {}), outcome.body, self.url.url, elapsed)

    def _pause(self, response: Response | None) -> float | None:
        """Seconds to wait before the next attempt, taken off the time left; None: no further attempt."""
        if self._attempt >= self.request.retries:
            return None
        wait_s = _BACKOFF_S * float(4**self._attempt) * random.uniform(0.8, 1.2)
        if response is not None:
            wait_s = max(wait_s, response.retry_after_s or 0.0)
        if wait_s >= self.left_s:
            return None
        self._attempt += 1
        self.left_s -= wait_s
        return wait_s

    def _follow(self, status: int, location: str) -> None:
        """Turn to where a redirect points; https to http is followed, as browsers do for images."""
        if self._redirects >= self.request.max_redirects:
            message = f"{self.url.host} redirects more than {self.request.max_redirects} times"
            raise ItemError("fetch_too_many_redirects", message)
        self._redirects += 1
        before = self.url
        try:
            self.url = check_url(urljoin(before.url, quote(location, safe=_URL_CHARACTERS)), self.allow_hosts)
        except (ItemError, ValueError) as error:
            if isinstance(error, ItemError) and error.code != "url_invalid":
                raise
            raise ItemError("fetch_bad_redirect", f"{before.host} redirects to something that is no URL") from None
        if self.url.origin != before.origin:
            self._headers = _without(self._headers, _SECRET_HEADERS)
        if (status == 303 and self._method != "HEAD") or (status in (301, 302) and self._method == "POST"):
            self._method, self._body = "GET", None
            self._headers = _without(self._headers, _BODY_HEADERS)


def _without(headers: dict[str, str], names: frozenset[str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name.lower() not in names}
