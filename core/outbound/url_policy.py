"""Which URLs may be fetched, and which addresses may be dialled.

Two judgements, made at different times. `check_url` reads the text of a URL, on every hop, and decides
nothing about addresses. `address_allowed` judges the address a socket is about to be connected to: only there
is it known, so a name that resolves to something else a moment later gains nothing.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import AddressValueError, IPv6Address
from urllib.parse import quote

from core.errors import ItemError
from core.outbound.addresses import address_allowed
from core.outbound.host_names import ascii_name

__all__ = ["AROUND", "DEFAULT_PORTS", "MAX_URL_LENGTH", "ParsedUrl", "address_allowed", "check_url", "trim_url"]

DEFAULT_PORTS = {"http": 80, "https": 443}
MAX_URL_LENGTH = 8192

# What browsers do to a URL before and while they read it (WHATWG URL, sections 4.4 and 1.3).
AROUND = "".join(map(chr, range(0x21)))
_LINE_BREAKS = str.maketrans("", "", "\t\n\r")
_IN_PATH = "".join(character for character in map(chr, range(0x21, 0x7F)) if character not in '"#<>?^`{}')
_IN_QUERY = "".join(character for character in map(chr, range(0x21, 0x7F)) if character not in "\"#<>'")
_SPLIT = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*):(?://(?P<authority>[^/?#\\]*))?(?P<rest>.*)", re.DOTALL)
_AUTHORITY = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[^:@\[\]%]+)(?::(?P<port>[0-9]{0,5}))?", re.ASCII)
_NAME = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*", re.ASCII)
# A host whose last label is a number is an IPv4 address in one of its spellings (WHATWG URL, section 3.5).
_NUMERIC = re.compile(r"(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)", re.ASCII)


@dataclass(frozen=True, slots=True)
class ParsedUrl:
    """A URL that may be asked for, though not yet an address that may be dialled.

    Attributes:
        scheme: "http" or "https".
        host: lower case and ASCII; an IP address in its usual spelling, IPv6 without brackets.
        port: 1 to 65535, the default filled in.
        allowed_private: the operator listed this host:port, so its address may be private.
        url: the URL put together again from these parts, without fragment: what the client must use, so that
            it cannot read the text differently from us.
    """

    scheme: str
    host: str
    port: int
    allowed_private: bool
    url: str

    @property
    def origin(self) -> tuple[str, str, int]:
        """Scheme, host and port (RFC 6454)."""
        return self.scheme, self.host, self.port


def trim_url(text: str) -> str:
    """A URL without what browsers take off: spaces and control characters around it, tabs and line breaks inside."""
    return text.strip(AROUND).translate(_LINE_BREAKS)


def check_url(url: str, allow_hosts: Iterable[str] = ()) -> ParsedUrl:
    """Read a URL: its text as forgivingly as browsers do, where it leads strictly.

    Args:
        url: absolute; at most 8,192 characters without what `trim_url` takes off.
        allow_hosts: host:port pairs, as in TAGLINE_ALLOW_HOSTS.

    Raises:
        ItemError: `url_invalid` or `url_scheme_not_allowed`; permanent.
        ValueError: an entry of `allow_hosts` is not host:port.
    """
    scheme, authority, rest = _split(url)
    match = _AUTHORITY.fullmatch(authority)
    if match is None:
        reason = "it must not contain a user name or password" if "@" in authority else "its host is malformed"
        raise _invalid(reason)
    host = _host(match["host"])
    port = int(match["port"] or DEFAULT_PORTS[scheme])
    if not 1 <= port <= 65535:
        raise _invalid("its port is not between 1 and 65535")
    shown = f"[{host}]" if ":" in host else host
    place = shown if port == DEFAULT_PORTS[scheme] else f"{shown}:{port}"
    allowed = (host, port) in _allow_list(tuple(allow_hosts))
    return ParsedUrl(scheme, host, port, allowed, f"{scheme}://{place}{_target(rest)}")


def _target(rest: str) -> str:
    """Path and query as they are sent; what may not stand in them is percent-encoded, as UTF-8."""
    path, question, query = rest.partition("#")[0].partition("?")
    try:
        path = quote(path.replace("\\", "/"), safe=_IN_PATH)
        query = quote(query, safe=_IN_QUERY)
    except UnicodeEncodeError:
        raise _invalid("it contains half a character (a lone surrogate)") from None
    return ("" if path.startswith("/") else "/") + path + question + query


def _split(url: str) -> tuple[str, str, str]:
    """Scheme (lower case, allowed), authority and the rest."""
    url = trim_url(url)
    if len(url) > MAX_URL_LENGTH:
        raise _invalid(f"it is longer than {MAX_URL_LENGTH} characters")
    match = _SPLIT.fullmatch(url)
    if match is None:
        raise _invalid("it must be absolute, like https://host/path")
    scheme = match["scheme"].lower()
    if scheme not in DEFAULT_PORTS:
        raise ItemError("url_scheme_not_allowed", f"only http and https URLs are fetched, not {scheme[:20]}")
    if not match["authority"]:
        raise _invalid("it names no host")
    if match["rest"].startswith("\\"):
        raise _invalid("it has a backslash after the host")
    return scheme, match["authority"], match["rest"]


@lru_cache(maxsize=4096)
def _host(text: str) -> str:
    """A host in its one spelling: ASCII, lower case, no final dot, IPv4 dotted, IPv6 compressed."""
    if text.startswith("["):
        try:
            return IPv6Address(text[1:-1]).compressed
        except AddressValueError:
            raise _invalid("its IPv6 address is malformed") from None
    try:
        # This also folds full-width digits and dots, so it has to come before the look at numbers.
        name = ascii_name(text).removesuffix(".")
    except ValueError:
        raise _invalid("its host is not a valid international name") from None
    if _NUMERIC.fullmatch(name):
        try:
            return socket.inet_ntoa(socket.inet_aton(name))
        except OSError:
            raise _invalid("its IPv4 address is malformed") from None
    if len(name) > 253 or not _NAME.fullmatch(name):
        raise _invalid("its host is malformed")
    return name


@lru_cache(maxsize=64)
def _allow_list(entries: tuple[str, ...]) -> frozenset[tuple[str, int]]:
    """The allow-listed (host, port) pairs."""
    pairs = set()
    for entry in entries:
        match = _AUTHORITY.fullmatch(entry.strip())
        if match is None or not match["port"] or not 1 <= int(match["port"]) <= 65535:
            raise ValueError(f"allow_hosts: {entry!r} is not host:port")
        try:
            pairs.add((_host(match["host"]), int(match["port"])))
        except ItemError as error:
            raise ValueError(f"allow_hosts: {entry!r} is not host:port") from error
    return frozenset(pairs)


def _invalid(reason: str) -> ItemError:
    return ItemError("url_invalid", f"this URL cannot be used: {reason}")
