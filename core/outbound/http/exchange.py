"""One request from beginning to end: its hops, its repetitions and the time it has left. Does no I/O."""

from __future__ import annotations

import random
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import urljoin

from core.errors import ItemError
from core.outbound.http.content_coding import codings
from core.outbound.http.hop import Hop, Outcome
from core.outbound.http.messages import Request, Response, retry_after_s
from core.outbound.url_policy import ParsedUrl, check_url, trim_url
from core.shortage import is_shortage, worker_resources

Coding = Literal["", "ours", "curl"]
Plea = Literal["wait", "too long"]  # what a host's plea for time comes to: ask again afterwards, or not
_TRANSIENT_STATUS = frozenset({408, 425, 429, 500, 502, 503, 504})
_SECRET_HEADERS = frozenset({"authorization", "cookie", "proxy-authorization"})
_BODY_HEADERS = frozenset({"content-type", "content-length", "content-encoding"})
_PLEAS = frozenset({429, 503})
_BACKOFF_S = 0.25


@dataclass(slots=True, eq=False)
class Exchange:
    """A request on its way.

    Attributes:
        left_s: what is left of the request's time; transfers and the pauses between attempts use it up, waiting for a
            place or for its host's pause does not.
        parked_s: waited so far for the pauses of hosts.
        last_error: of the attempt before.
    """

    request: Request
    allow_hosts: tuple[str, ...]
    url: ParsedUrl = field(init=False)
    future: Future[Response] = field(default_factory=Future)
    left_s: float = field(init=False)
    begun: bool = False
    parked_s: float = 0.0
    last_error: ItemError | None = None
    _method: str = field(init=False)
    _headers: dict[str, str] = field(init=False)
    _body: bytes | None = field(init=False)
    _redirects: int = 0
    _attempt: int = 0
    _coding: Coding = "ours"  # libcurl fetches once more what we cannot decode; what it cannot either, as it comes

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
        self._coding = "ours"

    @property
    def place(self) -> tuple[str, int]:
        """Where the next hop goes."""
        return self.url.host, self.url.port

    def hop(self, connect_timeout_s: float, proxy: str = "") -> Hop:
        """The next hop; through a proxy, unless the operator has named its host as one of his own."""
        return Hop(
            url=self.url,
            method=self._method,
            headers=self._headers,
            body=self._body,
            timeout_s=self.left_s,
            connect_timeout_s=connect_timeout_s,
            max_bytes=self.request.max_bytes,
            decode=self._coding if self.request.accept_encoding else "",
            follow=self.request.max_redirects > 0,
            status_only=self.request.status_only,
            proxy="" if self.url.allowed_private else proxy,
            memory=self.request.memory,
        )

    def fail(self, error: BaseException) -> None:
        """Resolve the future with an error, whatever state it is in."""
        if not isinstance(error, ItemError):
            message = f"the transfer broke: {type(error).__name__}"
            error = worker_resources() if is_shortage(error) else ItemError("fetch_failed", message, permanent=False)
        if not self.future.done() and (self.begun or self.future.set_running_or_notify_cancel()):
            self.future.set_exception(error)

    def advance(self, outcome: Outcome, took_s: float, plea: Plea | None = None) -> float | None:
        """Take in what came of a hop.

        Args:
            plea: what follows from a host's asking for time, where that is minded.

        Returns:
            Seconds to wait before the next hop; None: there is none, the future is resolved.
        """
        self.left_s -= took_s
        self.last_error = error = outcome.error
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
            else:
                return self._settle(response, plea)
        elif self._coding == "curl" and error.permanent and self.left_s > 0:
            self._coding = ""
            return 0.0
        wait_s = None if error.permanent else self._pause(None)
        if wait_s is None:
            self.future.set_exception(error)
        else:
            self._restart()
        return wait_s

    def _settle(self, response: Response, plea: Plea | None) -> float | None:
        """What follows from a response that is no redirect; returns as `advance`."""
        wait_s: float | None = None
        if plea == "wait":
            wait_s = 0.0
        elif plea is None and response.status in _TRANSIENT_STATUS:
            wait_s = self._pause(response)
        elif self._needs_curl(response):
            self._coding = "curl"
            return 0.0
        if wait_s is None:
            self.future.set_result(response)
        else:
            self._restart()
        return wait_s

    def _needs_curl(self, response: Response) -> bool:
        """Whether the body is, or is said to be, in a coding that only libcurl knows; nobody asked for it."""
        if self._coding != "ours" or not self.request.accept_encoding or self._method != "GET" or self.left_s <= 0:
            return False
        return bool(response.body) and "br" in codings(response.headers.get("content-encoding", ""))

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
        self._coding = "ours"
        before = self.url
        try:
            self.url = check_url(urljoin(before.url, trim_url(location)), self.allow_hosts)
        except (ItemError, ValueError) as error:
            if isinstance(error, ItemError) and error.code != "url_invalid":
                raise
            raise ItemError("fetch_bad_redirect", f"{before.host} redirects to something that is no URL") from None
        if self.url.origin != before.origin:
            self._headers = _without(self._headers, _SECRET_HEADERS)
        if (status == 303 and self._method != "HEAD") or (status in (301, 302) and self._method == "POST"):
            self._method, self._body = "GET", None
            self._headers = _without(self._headers, _BODY_HEADERS)


def plea_s(outcome: Outcome) -> float | None:
    """Seconds for which a host asks to be left alone; None: it does not ask."""
    return retry_after_s(outcome.headers) if outcome.headers and outcome.status in _PLEAS else None


def _without(headers: dict[str, str], names: frozenset[str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name.lower() not in names}
