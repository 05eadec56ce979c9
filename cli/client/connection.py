"""A client of the HTTP API, for the commands: it outlives restarts and broken connections."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from http.client import HTTPMessage
from typing import Any, TypeVar
from urllib.parse import urlsplit
from urllib.request import Request

from cli.client.problems import IN_USE, CallFailed, Unreachable, as_call_failures
from cli.client.retries import KEY_HELD_S, Patience
from cli.client.transport import Answer, make_opener
from cli.terminal import Failure, warn
from core.settings import ClientSettings

T = TypeVar("T")
JSON = "application/json"
_TIMEOUT_S = 90.0  # of silence
_BLOCK = 64 * 1024


@dataclass(frozen=True, slots=True)
class Body:
    """What one try sends; the next try makes another one.

    Attributes:
        blocks: its bytes.
        length: of all of them; None if it is not known in advance.
    """

    blocks: Iterator[bytes]
    length: int | None = None


class Client:
    """One server and one key. Safe to share between threads.

    Args:
        settings: where the server is.
        patience_s: for how long a failed call is tried again; that of the settings unless given.

    Raises, from every method:
        ApiProblem: the server refused (exit code 1), or cannot answer at present (3).
        Unreachable: there is no answer; exit code 3.
    """

    def __init__(self, settings: ClientSettings, patience_s: float | None = None) -> None:
        self._url = settings.url.strip().rstrip("/")
        self._key = settings.api_key.strip()
        self._patience_s = settings.patience_s if patience_s is None else patience_s
        self._opener = make_opener(_checked(self._url))
        if not (self._key.isascii() and self._key.isprintable()):
            raise Failure("TAGLINE_API_KEY: a key has no such characters", 2)
        self._reported = ""
        self._report_lock = threading.Lock()
        self.stopping = threading.Event()  # set: no further tries

    @contextlib.contextmanager
    def stream(
        self,
        method: str,
        path: str,
        *,
        body: bytes | Callable[[], Body] | None = None,
        headers: Mapping[str, str] | None = None,
        timeout_s: float = _TIMEOUT_S,
    ) -> Iterator[Answer]:
        """An answer to read piece by piece; asked for once."""
        made = body() if callable(body) else body
        request = Request(self._url + path, data=made.blocks if isinstance(made, Body) else made, method=method)
        for name, value in {"Authorization": f"Bearer {self._key}", **(headers or {})}.items():
            request.add_header(name, value)
        if isinstance(made, Body):
            length = ("Content-Length", str(made.length)) if made.length is not None else None
            request.add_header(*(length or ("Transfer-Encoding", "chunked")))
        with as_call_failures(self._url):
            response = self._opener.open(request, timeout=timeout_s)
        with response:
            yield Answer(response, self._url)

    def once(
        self,
        method: str,
        path: str,
        *,
        body: bytes | Callable[[], Body] | None = None,
        headers: Mapping[str, str] | None = None,
        timeout_s: float = _TIMEOUT_S,
    ) -> tuple[Any, HTTPMessage]:
        """An answer's JSON and its headers; asked for once."""
        with self.stream(method, path, body=body, headers=headers, timeout_s=timeout_s) as answer:
            return answer.json(), answer.headers

    def call(
        self,
        method: str,
        path: str,
        *,
        body: bytes | Callable[[], Body] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        """An answer's JSON, asked for again while the connection breaks or the server cannot answer.

        Only for what may be repeated: reading; an upload, known by its content; a submission with Idempotency-Key.
        """
        return self.with_retries(lambda failures: self.once(method, path, body=body, headers=headers)[0])

    def with_retries(self, attempt: Callable[[int], T]) -> T:
        """What `attempt` returns, once it succeeds; it is given the number of failures so far.

        Raises:
            CallFailed: of the last attempt, when it is not transient or patience is at its end.
        """
        patience = self.patience()
        while True:
            try:
                result = attempt(patience.failures)
            except CallFailed as failure:
                patience.pause(failure, limit_s=self._limit(failure))
            else:
                patience.renew()
                return result

    def patience(self) -> Patience:
        """For the tries of one call."""
        return Patience(self._patience_s, self._sleep, self._report)

    def is_answering(self) -> bool:
        """Whether the server answers other calls."""
        try:
            self.once("GET", "/v1/jobs?limit=1", timeout_s=10.0)
        except CallFailed as failure:
            return not failure.transient
        return True

    def _limit(self, failure: CallFailed) -> float | None:
        return max(self._patience_s, KEY_HELD_S) if self._patience_s and failure.code == IN_USE else None

    def _sleep(self, seconds: float) -> None:
        if self.stopping.wait(seconds):
            raise Unreachable("interrupted", transient=False)

    def _report(self, text: str) -> None:
        """Print each message once, though several threads may meet the same failure."""
        with self._report_lock:
            if text != self._reported:
                self._reported = text
                warn(text)


def _checked(url: str) -> str:
    """The host of a server's URL.

    Raises:
        Failure: it is none; exit code 2.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        parts, host = urlsplit(""), None
    readable = url.isprintable() and " " not in url and parts.path.isascii()
    if not host or parts.scheme not in ("http", "https") or not readable:
        raise Failure(f"TAGLINE_URL: {url!r} is not an http or https URL", 2)
    return host
