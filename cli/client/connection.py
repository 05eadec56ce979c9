"""A client of the HTTP API, for the commands: urllib, bodies and answers as streams, problems as messages."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterable, Iterator, Mapping
from http.client import HTTPException, HTTPMessage, HTTPResponse
from typing import IO, Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, ProxyHandler, Request, build_opener

from cli.terminal import Failure, warn
from core.settings import ClientSettings

JSON = "application/json"
_TIMEOUT_S = 90.0
_PAUSES_S = (0.5, 1.0, 2.0, 4.0)
_WAIT_S = 20  # of one long poll
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


class ApiProblem(Failure):
    """The server said no.

    Attributes:
        status: of the answer.
        retry_after_s: when it may say yes; None if it did not tell.
    """

    def __init__(self, status: int, message: str, retry_after_s: float | None) -> None:
        super().__init__(message)
        self.status = status
        self.retry_after_s = retry_after_s


class _NoRedirects(HTTPRedirectHandler):
    """A redirect is not followed: the key is for this server alone."""

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> None:
        return None


class Client:
    """One server and one key. Safe to share between threads.

    Raises, from every method:
        ApiProblem: the server refused; exit code 1.
        Failure: it cannot be reached; exit code 3.
    """

    def __init__(self, settings: ClientSettings) -> None:
        self._url = settings.url.rstrip("/")
        self._key = settings.api_key
        parts = urlsplit(self._url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise Failure(f"TAGLINE_URL: {settings.url!r} is not an http or https URL", 2)
        # A proxy from the environment cannot reach this machine's loopback.
        proxies = [ProxyHandler({})] if parts.hostname in _LOOPBACK else []
        self._opener = build_opener(_NoRedirects(), *proxies)

    @contextlib.contextmanager
    def stream(
        self,
        method: str,
        path: str,
        *,
        body: bytes | Iterable[bytes] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Iterator[HTTPResponse]:
        """An answer to read piece by piece. An iterable body is sent as it comes (chunked)."""
        request = Request(self._url + path, data=body, method=method)
        for name, value in {"Authorization": f"Bearer {self._key}", **(headers or {})}.items():
            request.add_header(name, value)
        if body is not None and not isinstance(body, bytes):
            request.add_header("Transfer-Encoding", "chunked")
        with self._reaching(), self._opener.open(request, timeout=_TIMEOUT_S) as answer:
            yield answer

    def call(
        self,
        method: str,
        path: str,
        *,
        body: bytes | Iterable[bytes] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        """An answer's JSON."""
        with self.stream(method, path, body=body, headers=headers) as answer:
            return json.load(answer)

    def insist(self, method: str, path: str, *, body: bytes, headers: Mapping[str, str]) -> Any:
        """As `call`, tried again for a while if the connection breaks or the server is busy.

        Only for what may be repeated: an upload is known by its content, a submission by its Idempotency-Key.
        """
        for pause in _PAUSES_S:
            try:
                return self.call(method, path, body=body, headers=headers)
            except ApiProblem as problem:
                if problem.status not in (408, 409, 503):
                    raise
                time.sleep(min(problem.retry_after_s or pause, 10.0))
            except Failure as failure:
                if failure.exit_code != 3:
                    raise
                warn(f"{failure.message}; trying again")
                time.sleep(pause)
        return self.call(method, path, body=body, headers=headers)

    def watch(self, job_id: str) -> Iterator[dict[str, Any]]:
        """A job at each change, until it has finished."""
        headers = {"Prefer": f"wait={_WAIT_S}"}
        while True:
            try:
                with self.stream("GET", f"/v1/jobs/{job_id}", headers=headers) as answer:
                    job: dict[str, Any] = json.load(answer)
                    headers = {"Prefer": f"wait={_WAIT_S}", "If-None-Match": answer.headers.get("ETag", "")}
            except ApiProblem as problem:
                if problem.status not in (304, 503):
                    raise
                if problem.status == 503:  # too many wait: look again without waiting there
                    time.sleep(min(problem.retry_after_s or 1.0, 5.0))
                    headers = {}
                continue
            yield job
            if job["finished_at"] is not None:
                return

    @contextlib.contextmanager
    def _reaching(self) -> Iterator[None]:
        try:
            yield
        except HTTPError as error:
            with error:
                raise self._problem(error) from None
        except URLError as error:
            if isinstance(error.reason, ConnectionRefusedError):
                raise Failure(f"nobody answers at {self._url}; is `tagline up` running?", 3) from None
            raise Failure(f"cannot reach {self._url}: {error.reason}", 3) from None
        except BrokenPipeError:
            raise
        except (OSError, HTTPException) as error:
            raise Failure(f"the connection to {self._url} broke: {error or type(error).__name__}", 3) from None

    def _problem(self, error: HTTPError) -> ApiProblem:
        after = error.headers.get("Retry-After", "")
        wait = float(after) if after.isdigit() else None
        try:
            problem = json.loads(error.read(100_000))
            message = f"{problem['detail']} ({problem['code']}"
            message += f", at {problem['where']})" if problem.get("where") else ")"
        except (ValueError, KeyError, TypeError):
            message = f"the server answers {error.code} {error.reason}"
        if error.code == 401:
            message += (
                ". Set TAGLINE_API_KEY; `tagline up` prints a key at its first start, `tagline keys create` makes one."
            )
        return ApiProblem(error.code, message, wait)
