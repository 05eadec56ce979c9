"""HTTP for the commands: connects fail fast, and a refusal that comes while a body is being sent is read."""

from __future__ import annotations

import http.client
import json
import select
import ssl
from collections.abc import Iterator
from http.client import HTTPMessage, HTTPResponse
from typing import IO, Any
from urllib.request import (
    HTTPHandler,
    HTTPRedirectHandler,
    HTTPSHandler,
    OpenerDirector,
    ProxyHandler,
    Request,
    build_opener,
)

from cli.client.problems import Unreachable, as_call_failures

CONNECT_S = 10.0
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_BLOCK = 64 * 1024


def make_opener(host: str) -> OpenerDirector:
    """An opener for one host; as everywhere, `http_proxy` and its like in the environment name a proxy."""
    # A proxy from the environment cannot reach this machine's loopback.
    proxies = [ProxyHandler({})] if host in _LOOPBACK else []
    return build_opener(_NoRedirects(), _Http(), _Https(), *proxies)


class Answer:
    """An answer to read piece by piece, which is known to be whole when it ends.

    Attributes:
        headers: of the answer.
    """

    def __init__(self, response: HTTPResponse, url: str) -> None:
        self._response = response
        self._url = url
        self.headers = response.headers

    def blocks(self) -> Iterator[bytes]:
        """The body as it arrives.

        Raises:
            Unreachable: it broke off.
        """
        length = self.headers.get("Content-Length", "")
        left = int(length) if length.isdigit() and not self._response.chunked else None
        while block := self._next():
            left = None if left is None else left - len(block)
            yield block
        if left:
            raise Unreachable(f"the connection to {self._url} broke: {left:,} bytes are missing")

    def __iter__(self) -> Iterator[bytes]:
        """The body's lines, with their ends; raises as `blocks`."""
        rest = b""
        for block in self.blocks():
            *lines, rest = (rest + block).split(b"\n") if b"\n" in block else (rest + block,)
            yield from (line + b"\n" for line in lines)
        if rest:
            yield rest

    def json(self) -> Any:
        """The body as JSON.

        Raises:
            Unreachable: it broke off, or is something else: who answers is not Tagline.
        """
        body = b"".join(self.blocks())
        try:
            return json.loads(body)
        except ValueError:
            raise Unreachable(f"what answers at {self._url} is not Tagline; is TAGLINE_URL right?") from None

    def _next(self) -> bytes:
        with as_call_failures(self._url):
            return self._response.read1(_BLOCK)


class _EarlyAnswer:
    """Mixin of a connection: an answer that comes before the whole request is sent is read.

    A server may refuse a long body half-way. Whoever goes on sending gets a broken pipe and never learns why.
    """

    sock: Any
    timeout: float | None
    _connected = False

    def connect(self) -> None:
        wanted, self.timeout = self.timeout, CONNECT_S
        super().connect()  # type: ignore[misc]
        self.timeout = wanted
        self.sock.settimeout(wanted)
        self._connected = True

    def request(self, *arguments: Any, **named: Any) -> None:
        try:
            super().request(*arguments, **named)  # type: ignore[misc]
        except (_Answered, BrokenPipeError, ConnectionResetError):
            if not self._connected:
                raise

    def send(self, data: Any) -> None:
        # Under TLS, readable bytes may belong to the protocol and not to an answer.
        if self.sock is not None and not isinstance(self.sock, ssl.SSLSocket) and _readable(self.sock):
            raise _Answered
        super().send(data)  # type: ignore[misc]


class _Answered(Exception):
    pass


def _readable(sock: Any) -> bool:
    poll = select.poll()  # unlike select(), of any number of open files
    poll.register(sock, select.POLLIN)
    return bool(poll.poll(0))


class _HttpConnection(_EarlyAnswer, http.client.HTTPConnection):
    pass


class _HttpsConnection(_EarlyAnswer, http.client.HTTPSConnection):
    pass


class _Http(HTTPHandler):
    def http_open(self, req: Request) -> HTTPResponse:
        return self.do_open(_HttpConnection, req)


class _Https(HTTPSHandler):
    def https_open(self, req: Request) -> HTTPResponse:
        return self.do_open(_HttpsConnection, req)


class _NoRedirects(HTTPRedirectHandler):
    """A redirect is not followed: the key is for this server alone."""

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> None:
        return None
