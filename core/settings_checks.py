"""What the values of settings must look like, and the one line that says so.

Each check takes a value and returns it, or raises ValueError with what to write instead. None of them repeats a value
that may hold a password.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from typing import TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from core.errors import ItemError, RequestError
from core.outbound.s3.uri import is_bucket_name, parse_s3_uri
from core.outbound.signing import MAX_BYTES, MIN_BYTES, PREFIX, check_secret
from core.outbound.url_policy import check_url

T = TypeVar("T")
PORTS = range(1, 65536)
_IN_PASSWORDS = "in a password @ as %40, : as %3A and / as %2F"
# As SQLAlchemy reads a URL (sqlalchemy.engine.url): a password may hold anything but @.
_DATABASE = re.compile(
    r"[\w+]+://(?:[^:/]*(?::[^@]*)?@)?(?:\[[^/?@]+\]|[^/:?@]+)?(?::(?P<port>[^/?]*))?(?:/[^?]*)?(?:\?.*)?", re.DOTALL
)
_REDIS = re.compile(
    r"rediss?://(?:[^/@]*@)?(?:\[[^/?@]+\]|[^/:?@]+)?(?::(?P<port>[^/?]*))?(?:/(?P<number>[0-9]*))?(?:\?.*)?", re.ASCII
)
_UNIX = re.compile(r"unix://(?:[^/@]*@)?/[^?]+(?:\?.*)?")
_SQLITE = re.compile(r"sqlite(\+pysqlite)?:///(?P<path>[^?]*)(\?.*)?")
_ORIGIN = re.compile(r"https?://(?:\[[0-9a-f:.]+\]|[^\s/?#@:\[\]]+)(?::[0-9]{1,5})?")
_PROXY = re.compile(r"https?://(?:[^\s/@]+@)?(?:\[[0-9A-Fa-f:]+\]|[^\s/@:]+):[0-9]{1,5}/?")
# By the end of a setting's name: a day, ten years and a hundred; what fits the database; of other things, as many.
_CEILINGS = (
    *(("_s", 86_400), ("_hours", 87_600), ("_days", 36_500)),
    *(("_bytes", 2**31), ("_pixels", 2**31), ("_inputs", 2**31), ("_photos", 2**31)),
)
_MOST = 100_000
_WORKER = re.compile(r"[A-Za-z0-9._-]{1,200}")
_KEY = re.compile(r"[!-~]+")


class SettingsError(ValueError):
    """A setting is wrong. The message is one line that names the variable and says what to write."""


def unless_empty(check: Callable[[str], str]) -> Callable[[str], str]:
    """The check for a setting that may be empty."""
    return lambda value: check(value) if value else value


def http_url(value: str) -> str:
    """An http or https URL without anything behind its path; a final slash goes."""
    try:
        check_url(value)
        good = not re.search(r"[?#]", value)
    except ItemError:
        good = False
    if not good:
        raise ValueError("write an http or https URL without user, query and fragment, like https://host.example:8080")
    return value.rstrip("/")


def database_url(value: str) -> str:
    """A URL of PostgreSQL or SQLite that SQLAlchemy can read."""
    scheme = value.partition("://")[0].lower()
    if scheme in ("sqlite", "sqlite+pysqlite"):
        match = _SQLITE.fullmatch(value)
        if match is None or not match["path"].startswith("/"):
            raise ValueError(
                "write an absolute path behind three slashes, like sqlite:////srv/tagline.db: every process reads it"
            )
        return value
    match = _DATABASE.fullmatch(value)
    known = scheme in ("postgresql", "postgres", "postgresql+psycopg")
    if not known or match is None or not _is_port(match["port"]):
        raise ValueError(
            f"write postgresql://USER:PASSWORD@HOST:5432/NAME, {_IN_PASSWORDS}, or sqlite:////ABSOLUTE/PATH"
        )
    return value


def redis_url(value: str) -> str:
    """A URL of Redis or Valkey that both Celery and redis-py can read."""
    match = _REDIS.fullmatch(value)
    if not _UNIX.fullmatch(value) and (match is None or not _is_port(match["port"])):
        raise ValueError(
            f"write redis://:PASSWORD@HOST:6379/0, {_IN_PASSWORDS}, or rediss:// for TLS, or unix:///PATH/TO/SOCKET"
        )
    return value


def uploads_url(value: str) -> str:
    """A place in a bucket."""
    try:
        parse_s3_uri(value, prefix=True)
    except ItemError:
        raise ValueError("write s3://BUCKET/PREFIX, or leave it out: then uploads lie in the data folder") from None
    return value


def buckets(values: tuple[str, ...]) -> tuple[str, ...]:
    """Names of buckets."""
    for value in values:
        if not is_bucket_name(value):
            raise ValueError(f"{shorten(value)} is no bucket's name; write names alone, like photos,archive")
    return values


def folders(values: tuple[str, ...]) -> tuple[str, ...]:
    """Absolute paths of folders; whether they exist is seen when they are read: a disk may be mounted later."""
    found = tuple(os.path.normpath(value) for value in values)
    for value, path in zip(values, found, strict=True):
        if not value.startswith("/") or ".." in value.split("/") or not value.isprintable():
            raise ValueError(f"{shorten(value)} is no absolute path; write folders like /srv/photos,/mnt/nas/pictures")
        if path in ("/", "//"):
            raise ValueError("/ would open the whole machine; write the folders that photos lie in, like /srv/photos")
    return tuple("/" + path.lstrip("/") for path in found)


def places(values: tuple[str, ...]) -> tuple[str, ...]:
    """host:port pairs."""
    for value in values:
        if not _is_place(value):
            scheme, _, rest = value.rpartition("://")
            host = re.split(r"[/?#]", rest)[0]
            port = 443 if scheme.lower() == "https" else 80
            guesses = (host, f"{host}:{port}", f"[{host}]:{port}", "nas.local:80")
            guess = next(filter(_is_place, guesses))
            raise ValueError(f"{shorten(value)} is not host:port; write for example {guess} (several: comma separated)")
    return values


def origins(values: tuple[str, ...]) -> tuple[str, ...]:
    """Origins of web pages (RFC 6454), or * for any; a final slash goes."""
    found = tuple(value.rstrip("/").lower() for value in values)
    for value in found:
        if value != "*" and not _ORIGIN.fullmatch(value):
            raise ValueError(f"{shorten(value)} is no origin; write for example https://photos.example, or *")
    return found


def proxy(value: str) -> str:
    """A proxy's URL; a final slash goes."""
    if not _PROXY.fullmatch(value):
        raise ValueError("write http://HOST:PORT or https://HOST:PORT, with USER:PASSWORD@ before the host or without")
    return value.rstrip("/")


def header(value: str) -> str:
    """A value that a header can carry."""
    if not value.isascii() or not value.isprintable():
        raise ValueError("write one line of printable ASCII, like Tagline/1.0 (+https://photos.example/contact)")
    return value


def api_key(value: str) -> str:
    """A key that a header can carry."""
    if not _KEY.fullmatch(value):
        raise ValueError("write letters, digits and signs of ASCII without spaces, as openssl rand -hex 24 makes them")
    return value


def session_secret(value: str) -> str:
    """A secret that nobody guesses."""
    if len(value) < 32:
        raise ValueError("write at least 32 characters, as openssl rand -hex 32 makes them, or leave it out")
    return value


def webhook_secret(value: str) -> str:
    """A secret of Standard Webhooks."""
    try:
        check_secret(value)
    except RequestError:
        raise ValueError(
            f"write {PREFIX} and {MIN_BYTES} to {MAX_BYTES} bytes in base64"
            f" ({PREFIX}$(openssl rand -base64 32)), or leave it out: then one is made"
        ) from None
    return value


def worker_name(value: str) -> str:
    """A name that Celery and the database take."""
    if not _WORKER.fullmatch(value):
        raise ValueError("write at most 200 letters, digits, points, hyphens and underscores")
    return value


def sensible(name: str, value: T) -> T:
    """A number that its unit, or whatever is counted, can have."""
    if isinstance(value, int | float):
        limit = next((limit for ending, limit in _CEILINGS if name.endswith(ending)), _MOST)
        if value > limit:
            raise ValueError(f"write {limit} or less")
    return value


def explain(error: ValidationError, variables: Mapping[str, str], defaults: Mapping[str, object]) -> str:
    """What is wrong with settings, in one line.

    Args:
        variables: of the environment, by field.
        defaults: by field, as examples.
    """
    lines = []
    for one in error.errors():
        name = str(one["loc"][0]) if one["loc"] else ""  # none if it is about several, and says so itself
        sentence = _sentence(one, defaults.get(name))
        lines.append(f"{variables.get(name, name)}: {sentence}" if name else sentence)
    return "; ".join(dict.fromkeys(lines))


def shorten(value: str) -> str:
    """A value as it may be shown."""
    return repr(value if len(value) <= 60 else value[:59] + "…")


def _sentence(one: ErrorDetails, example: object) -> str:
    kind, limits = one["type"], one.get("ctx", {})
    bounds = {
        "greater_than": "write a number greater than {gt:g}",
        "greater_than_equal": "write {ge:g} or more",
        "less_than_equal": "write {le:g} or less",
        "literal_error": "write one of {expected}",
    }
    if kind in bounds:
        return bounds[kind].format(**limits)
    if kind.startswith("bool_"):
        return "write true or false"
    if kind.startswith(("int_", "float_", "finite_")):
        return f"write a {'whole ' if kind.startswith('int_') else ''}number, like {example}"
    return str(limits.get("error", one["msg"]))


def _is_place(value: str) -> bool:
    try:
        check_url("http://host.example", (value,))
    except ValueError:
        return False
    return True


def _is_port(text: str | None) -> bool:
    return not text or (text.isascii() and text.isdecimal() and int(text) in PORTS)
