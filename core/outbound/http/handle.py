"""One curl handle: one hop at a time, guarded and capped. Redirects and repetitions are not its business.

The guard sits where the socket is opened (CURLOPT_OPENSOCKETFUNCTION), so what is judged is the address that is
dialled. A connection from the pool opens no socket; it is judged again just before the request goes out
(CURLOPT_PREREQFUNCTION), so that a connection made for an allow-listed host carries nobody else's request.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Mapping
from typing import Any

import pycurl

from core.errors import ItemError
from core.outbound.http.answer import Answer
from core.outbound.http.content_coding import ACCEPTED
from core.outbound.http.curl_errors import curl_error, is_ours, not_public, proxy_error
from core.outbound.http.hop import Hop, Outcome
from core.outbound.url_policy import address_allowed
from core.shortage import OUR_ERRNOS, worker_resources

_BUFFER_BYTES = 128 * 1024
_SUPPRESS_CONNECT_HEADERS = 265  # CURLOPT_SUPPRESS_CONNECT_HEADERS of curl.h; pycurl has no name for it
_SIMPLE = frozenset({"GET"})  # what leaves no trace on a handle that is used again


class Handle:
    """A curl easy handle with what belongs to the hop it is on. Used by the loop's thread only.

    Args:
        user_agent: what it calls itself.
        noticed: called when the first byte of an answer has come, and when its head is complete.
        paused: called when there is no room for more of the body; libcurl keeps what it has read, some 128 KB.
        resume: called, from any thread, once there is: then `go_on` is to be called.
    """

    def __init__(
        self,
        user_agent: str,
        noticed: Callable[[Handle], None] = lambda handle: None,
        paused: Callable[[Handle], None] = lambda handle: None,
        resume: Callable[[Handle], None] = lambda handle: None,
    ) -> None:
        self.curl: Any = pycurl.Curl()
        self.reusable = True
        self._noticed = noticed
        self._paused = paused
        self._resume = resume
        self._sockets: list[socket.socket] = []
        self._hop: Hop | None = None
        self._answer: Answer | None = None
        self._clear()
        for option, value in _constants().items():
            self.curl.setopt(option, value)
        self.curl.setopt(pycurl.USERAGENT, user_agent)
        self.curl.setopt(pycurl.OPENSOCKETFUNCTION, self._open_socket)
        self.curl.setopt(pycurl.PREREQFUNCTION, self._before_request)
        self.curl.setopt(pycurl.HEADERFUNCTION, self._header)
        self.curl.setopt(pycurl.WRITEFUNCTION, self._write)

    @property
    def answer(self) -> Answer:
        """What has come of the hop so far."""
        assert self._answer is not None
        return self._answer

    def prepare(self, hop: Hop) -> None:
        """Set the handle up for `hop`.

        Raises:
            ItemError: `fetch_failed`, curl does not take the request.
        """
        self._clear()
        self._hop, self._answer = hop, Answer(hop)
        curl = self.curl
        try:
            curl.setopt(pycurl.URL, hop.url.url)
            curl.setopt(pycurl.HTTPHEADER, _header_lines(hop))
            curl.setopt(pycurl.TIMEOUT_MS, max(1, int(hop.timeout_s * 1000)))
            curl.setopt(pycurl.CONNECTTIMEOUT_MS, max(1, int(min(hop.connect_timeout_s, hop.timeout_s) * 1000)))
            curl.setopt(pycurl.PROXY, hop.proxy)
            curl.setopt(pycurl.NOPROXY, "" if hop.proxy else "*")
            curl.setopt(pycurl.MAXFILESIZE_LARGE, 0 if hop.status_only else hop.max_bytes)
            if hop.decode == "curl":
                curl.setopt(pycurl.ACCEPT_ENCODING, "")  # all that this curl can decode
            else:
                curl.unsetopt(pycurl.ACCEPT_ENCODING)
            if hop.method not in _SIMPLE or hop.body is not None:
                self._prepare_method(hop)
        except pycurl.error as error:
            raise ItemError("fetch_failed", f"the request to {hop.url.host} cannot be made") from error

    def _prepare_method(self, hop: Hop) -> None:
        self.reusable = False
        if hop.method == "HEAD":
            self.curl.setopt(pycurl.NOBODY, 1)
            return
        if hop.body is not None:
            self.curl.setopt(pycurl.POST, 1)
            self.curl.setopt(pycurl.POSTFIELDS, hop.body)
        self.curl.setopt(pycurl.CUSTOMREQUEST, hop.method)

    def outcome(self, code: int, reason: str) -> Outcome:
        """What came of the hop; `code` and `reason` are curl's, 0 for none."""
        try:
            return self._outcome(code, reason)
        finally:
            self._clear()

    def _outcome(self, code: int, reason: str) -> Outcome:
        hop, answer = self._hop, self._answer
        assert hop is not None
        assert answer is not None
        connected = bool(self.curl.getinfo(pycurl.PRETRANSFER_TIME))
        found = Outcome(None, answer.status, answer.headers, answer.body(), connected=connected)
        if hop.status_only and answer.status >= 200:
            return found
        if answer.error is not None:
            return Outcome(answer.error, connected=connected)
        if code == 0 or (hop.follow and found.location is not None):
            return found
        # One refused address among several does no harm as long as another one was dialled.
        if self._refused and (code == pycurl.E_ABORTED_BY_CALLBACK or not self._dialled):
            return Outcome(not_public(hop.url.host))
        if self._short or is_ours(code, self.curl.getinfo(pycurl.OS_ERRNO), only_ipv4=not self._dialled_ipv6):
            return Outcome(worker_resources())
        if hop.proxy and (refusal := proxy_error(code, self.curl.getinfo(pycurl.HTTP_CONNECTCODE), hop.url.host)):
            return Outcome(refusal)
        error = curl_error(code, reason, hop.url.host, hop.max_bytes)
        silent = code == pycurl.E_OPERATION_TIMEDOUT and not answer.begun
        return Outcome(error, silent=silent, connected=connected)

    def lift_time_limit(self) -> None:
        """Let the hop take as long as it does, from now on."""
        self.curl.setopt(pycurl.TIMEOUT_MS, 0)

    def go_on(self) -> None:
        """Read on after a pause.

        Raises:
            pycurl.error: what came then ends the hop.
        """
        self.curl.pause(pycurl.PAUSE_CONT)

    def close(self) -> None:
        """Free the handle; it must not be in a multi."""
        self._clear()
        self.curl.close()

    def spare_sockets(self) -> None:
        """Close what libcurl does not need: it works on a duplicate of each socket."""
        for opened in self._sockets:
            opened.close()
        self._sockets = []

    def _clear(self) -> None:
        self.spare_sockets()
        self._hop = None
        self._answer = None
        self._refused = False
        self._short = False
        self._dialled = False
        self._dialled_ipv6 = False

    # What curl calls. Whatever goes wrong here must end this hop and nothing else: pycurl turns an exception into
    # a refusal and prints it, so only what cannot happen is left to it.

    def _judge(self, ip: str) -> bool:
        if self._hop is None:
            return False
        if self._hop.url.allowed_private or self._hop.proxy or address_allowed(ip):
            return True
        self._refused = True
        return False

    def _open_socket(self, purpose: int, address: Any) -> Any:
        if address.family not in (socket.AF_INET, socket.AF_INET6) or not self._judge(_text(address.addr[0])):
            return pycurl.SOCKET_BAD
        try:
            opened = socket.socket(address.family, address.socktype, address.protocol)
        except OSError as error:
            self._short = self._short or error.errno in OUR_ERRNOS
            return pycurl.SOCKET_BAD
        self._dialled = True
        self._dialled_ipv6 = self._dialled_ipv6 or address.family == socket.AF_INET6
        self._sockets.append(opened)
        return opened

    def _before_request(self, remote: str, local: str, remote_port: int, local_port: int) -> int:
        return int(pycurl.PREREQFUNC_OK if self._judge(_text(remote)) else pycurl.PREREQFUNC_ABORT)

    def _header(self, line: bytes) -> int | None:
        answer = self.answer
        begun, head_read = answer.begun, answer.head_read
        go_on = answer.header(line)
        if answer.begun != begun or answer.head_read != head_read:
            self._noticed(self)
        return None if go_on else 0

    def _write(self, data: bytes) -> int | None:
        memory = self._hop.memory if self._hop is not None else None
        if memory is not None and not memory.grow(self.answer.needs(len(data)), lambda: self._resume(self)):
            self._paused(self)
            return int(pycurl.WRITEFUNC_PAUSE)
        return None if self.answer.write(data) else 0


def _constants() -> dict[int, Any]:
    """The options that never change. Nothing comes from the environment: no proxy, no netrc, no cookies."""
    options: dict[int, Any] = {
        pycurl.NOSIGNAL: 1,
        _SUPPRESS_CONNECT_HEADERS: 1,  # what a proxy says before is not the answer
        pycurl.PROTOCOLS: pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS,
        pycurl.FOLLOWLOCATION: 0,
        pycurl.HTTP_VERSION: pycurl.CURL_HTTP_VERSION_1_1,
        pycurl.SSL_VERIFYPEER: 1,
        pycurl.SSL_VERIFYHOST: 2,
        pycurl.TCP_KEEPALIVE: 1,
        pycurl.BUFFERSIZE: _BUFFER_BYTES,
    }
    # The libcurl inside a wheel looks for certificates where its builder had them. CAINFO without CAPATH lets
    # libcurl keep the parsed bundle between connections.
    paths = ssl.get_default_verify_paths()
    if paths.cafile:
        options[pycurl.CAINFO] = paths.cafile
    elif paths.capath:
        options[pycurl.CAPATH] = paths.capath
    return options


def _header_lines(hop: Hop) -> list[str]:
    """The headers as curl takes them; an empty value needs a semicolon to be sent at all."""
    headers: Mapping[str, str] = hop.headers
    lines = [f"{name}: {value}" if value else f"{name};" for name, value in headers.items()]
    if any("\r" in line or "\n" in line or "\0" in line for line in lines):
        raise ItemError("fetch_failed", "a request header contains a line break")
    if hop.decode == "ours" and not any(name.lower() == "accept-encoding" for name in headers):
        lines.append(f"Accept-Encoding: {ACCEPTED}")
    return [*lines, "Expect:"]


def _text(value: str | bytes) -> str:
    return value.decode("ascii", "replace") if isinstance(value, bytes) else value
