"""One curl handle: one hop at a time, guarded and capped. Redirects and repetitions are not its business.

The guard sits where the socket is opened (CURLOPT_OPENSOCKETFUNCTION), so what is judged is the address that is
dialled. A connection from the pool opens no socket; it is judged again just before the request goes out
(CURLOPT_PREREQFUNCTION), so that a connection made for an allow-listed host carries nobody else's request.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pycurl

from core.errors import ItemError
from core.outbound.http.curl_errors import curl_error
from core.outbound.http.messages import USER_AGENT
from core.outbound.url_policy import ParsedUrl, address_allowed

REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MAX_HEADER_BYTES = 64 * 1024
_MAX_REDIRECT_BODY = 64 * 1024
_BUFFER_BYTES = 128 * 1024
_SIMPLE = frozenset({"GET"})  # what leaves no trace on a handle that is used again


@dataclass(frozen=True, slots=True)
class Hop:
    """One request to one server, within the limits that are left of the whole."""

    url: ParsedUrl
    method: str
    headers: Mapping[str, str]
    body: bytes | None
    timeout_s: float
    connect_timeout_s: float
    max_bytes: int
    accept_encoding: bool
    follow: bool  # a redirect's body is of no interest


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a hop: an error, or a response."""

    error: ItemError | None = None
    status: int = 0
    headers: Mapping[str, str] | None = None
    body: bytes = b""

    @property
    def location(self) -> str | None:
        """Where the server redirects to."""
        return self.headers.get("location") if self.headers and self.status in REDIRECTS else None


class Handle:
    """A curl easy handle with what belongs to the hop it is on. Used by the loop's thread only."""

    def __init__(self) -> None:
        self.curl: Any = pycurl.Curl()
        self.reusable = True
        self._hop: Hop | None = None
        self._sockets: list[socket.socket] = []
        self._clear()
        for option, value in _constants().items():
            self.curl.setopt(option, value)
        self.curl.setopt(pycurl.OPENSOCKETFUNCTION, self._open_socket)
        self.curl.setopt(pycurl.PREREQFUNCTION, self._before_request)
        self.curl.setopt(pycurl.HEADERFUNCTION, self._header)
        self.curl.setopt(pycurl.WRITEFUNCTION, self._write)

    def prepare(self, hop: Hop) -> None:
        """Set the handle up for `hop`.

        Raises:
            ItemError: `fetch_failed`, curl does not take the request.
        """
        self._clear()
        self._hop = hop
        curl = self.curl
        try:
            curl.setopt(pycurl.URL, hop.url.url)
            curl.setopt(pycurl.HTTPHEADER, _header_lines(hop.headers))
            curl.setopt(pycurl.TIMEOUT_MS, max(1, int(hop.timeout_s * 1000)))
            curl.setopt(pycurl.CONNECTTIMEOUT_MS, max(1, int(min(hop.connect_timeout_s, hop.timeout_s) * 1000)))
            curl.setopt(pycurl.MAXFILESIZE_LARGE, hop.max_bytes)
            if hop.accept_encoding:
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
        hop = self._hop
        assert hop is not None
        try:
            headers = _parse_headers(self._lines)
            found = Outcome(None, _status(self._lines), headers, b"".join(self._chunks))
            if self._error is not None:
                return Outcome(self._error)
            if code == 0 or (hop.follow and found.location is not None):
                return found
            # One refused address among several does no harm as long as another one was dialled.
            if self._refused and (code == pycurl.E_ABORTED_BY_CALLBACK or not self._dialled):
                message = f"{hop.url.host} leads to an address that is not public"
                return Outcome(ItemError("address_not_allowed", message))
            return Outcome(curl_error(code, reason, hop.url.host, hop.timeout_s, hop.max_bytes))
        finally:
            self._clear()

    def close(self) -> None:
        """Free the handle; it must not be in a multi."""
        self._clear()
        self.curl.close()

    def _clear(self) -> None:
        # libcurl works on a duplicate of each socket; ours is no longer needed.
        for opened in self._sockets:
            opened.close()
        self._sockets = []
        self._hop = None
        self._error: ItemError | None = None
        self._refused = False
        self._dialled = False
        self._lines: list[bytes] = []
        self._header_bytes = 0
        self._chunks: list[bytes] = []
        self._body_bytes = 0
        self._redirects = False

    # What curl calls. Whatever goes wrong here must end this hop and nothing else: pycurl turns an exception into
    # a refusal and prints it, so only what cannot happen is left to it.

    def _judge(self, ip: str) -> bool:
        if self._hop is None:
            return False
        if self._hop.url.allowed_private or address_allowed(ip):
            return True
        self._refused = True
        return False

    def _open_socket(self, purpose: int, address: Any) -> Any:
        if address.family not in (socket.AF_INET, socket.AF_INET6) or not self._judge(_text(address.addr[0])):
            return pycurl.SOCKET_BAD
        try:
            opened = socket.socket(address.family, address.socktype, address.protocol)
        except OSError:
            return pycurl.SOCKET_BAD
        self._dialled = True
        self._sockets.append(opened)
        return opened

    def _before_request(self, remote: str, local: str, remote_port: int, local_port: int) -> int:
        return int(pycurl.PREREQFUNC_OK if self._judge(_text(remote)) else pycurl.PREREQFUNC_ABORT)

    def _header(self, line: bytes) -> int | None:
        self._header_bytes += len(line)
        if self._header_bytes > _MAX_HEADER_BYTES:
            self._error = ItemError(
                "fetch_too_large", f"the server sent more than {_MAX_HEADER_BYTES} bytes of headers"
            )
            return 0
        if line.startswith(b"HTTP/"):  # after an interim response the real one follows
            self._lines.clear()
        self._lines.append(line)
        return None

    def _write(self, data: bytes) -> int | None:
        assert self._hop is not None
        if not self._body_bytes and self._hop.follow:
            self._redirects = _status(self._lines) in REDIRECTS
        self._body_bytes += len(data)
        if self._redirects:
            return 0 if self._body_bytes > _MAX_REDIRECT_BODY else None
        if self._body_bytes > self._hop.max_bytes:
            self._error = curl_error(pycurl.E_FILESIZE_EXCEEDED, "", self._hop.url.host, 0, self._hop.max_bytes)
            return 0
        self._chunks.append(data)
        return None


def _constants() -> dict[int, Any]:
    """The options that never change. Nothing comes from the environment: no proxy, no netrc, no cookies."""
    options: dict[int, Any] = {
        pycurl.NOSIGNAL: 1,
        pycurl.PROXY: "",
        pycurl.NOPROXY: "*",
        pycurl.PROTOCOLS: pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS,
        pycurl.FOLLOWLOCATION: 0,
        pycurl.HTTP_VERSION: pycurl.CURL_HTTP_VERSION_1_1,
        pycurl.SSL_VERIFYPEER: 1,
        pycurl.SSL_VERIFYHOST: 2,
        pycurl.TCP_KEEPALIVE: 1,
        pycurl.BUFFERSIZE: _BUFFER_BYTES,
        pycurl.USERAGENT: USER_AGENT,
    }
    # The libcurl inside a wheel looks for certificates where its builder had them. CAINFO without CAPATH lets
    # libcurl keep the parsed bundle between connections.
    paths = ssl.get_default_verify_paths()
    if paths.cafile:
        options[pycurl.CAINFO] = paths.cafile
    elif paths.capath:
        options[pycurl.CAPATH] = paths.capath
    return options


def _header_lines(headers: Mapping[str, str]) -> list[str]:
    """The headers as curl takes them; an empty value needs a semicolon to be sent at all."""
    lines = [f"{name}: {value}" if value else f"{name};" for name, value in headers.items()]
    if any("\r" in line or "\n" in line or "\0" in line for line in lines):
        raise ItemError("fetch_failed", "a request header contains a line break")
    return [*lines, "Expect:"]


def _status(lines: list[bytes]) -> int:
    """The status in the first line, which curl has parsed before it handed it on; 0 without one."""
    words = lines[0].split(None, 2) if lines else []
    return int(words[1][:3]) if len(words) > 1 and words[1][:3].isdigit() else 0


def _parse_headers(lines: list[bytes]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for line in lines[1:]:
        name, colon, value = line.partition(b":")
        if colon:
            try:
                text = value.strip().decode("utf-8")
            except UnicodeDecodeError:
                text = value.strip().decode("latin-1")
            headers.setdefault(name.strip().lower().decode("latin-1"), text)
    return headers


def _text(value: str | bytes) -> str:
    return value.decode("ascii", "replace") if isinstance(value, bytes) else value
