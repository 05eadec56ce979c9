"""Bodies that come under odd Content-Encodings, fetched from a real server."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable, Iterator
from urllib.parse import urlencode

import pytest

from core.outbound.http.client import HttpClient, Request, Response
from core.settings import load_settings
from tests.support.http_server import HttpServer, http_server

LIMIT_S = 120.0
PHOTO = b"\xff\xd8\xff\xe0 not quite a photo" + bytes(100)
HELLO_IN_BROTLI = bytes.fromhex("0b028068656c6c6f03")
Fetch = Callable[..., Response]


@pytest.fixture(scope="module")
def server() -> Iterator[HttpServer]:
    with http_server() as running:
        yield running


@pytest.fixture(scope="module")
def fetch(server: HttpServer) -> Iterator[Fetch]:
    client = HttpClient(load_settings(allow_hosts=(server.place,)))

    def fetch(body: bytes, *fields: str) -> Response:
        query = urlencode([("as", field) for field in fields])
        request = Request(server.url(f"/encoded/{body.hex()}?{query}"), accept_encoding=True)
        return client.request(request).result(LIMIT_S)

    yield fetch
    client.close()


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        (PHOTO, ("aws-chunked",)),
        (PHOTO, ("UTF-8",)),
        (PHOTO, ("",)),
        (PHOTO, ("image/jpeg",)),
        (PHOTO, ("zstd",)),
        (PHOTO, ("gzip",)),
        (PHOTO, ("deflate",)),
        (PHOTO, ("br",)),
        (gzip.compress(PHOTO), ("gzip",)),
        (gzip.compress(PHOTO) + b"junk", ("gzip",)),
        (gzip.compress(PHOTO[:9]) + gzip.compress(PHOTO[9:]), ("x-gzip",)),
        (gzip.compress(gzip.compress(PHOTO)), ("gzip, gzip",)),
        (gzip.compress(gzip.compress(PHOTO)), ("gzip", "gzip")),
        (gzip.compress(zlib.compress(PHOTO)), ("deflate", "aws-chunked", "gzip")),
    ],
)
def test_a_photo_under_any_coding(fetch: Fetch, body: bytes, fields: tuple[str, ...]) -> None:
    assert fetch(body, *fields).body == PHOTO


def test_brotli_that_nobody_asked_for_is_read_all_the_same(fetch: Fetch, server: HttpServer) -> None:
    assert fetch(HELLO_IN_BROTLI, "br").body == b"hello"
    assert fetch(gzip.compress(HELLO_IN_BROTLI), "br, gzip").body == b"hello"
    assert fetch(b"", "br").body == b""
    first, second = server.requests[-3:-1]
    assert first.headers["accept-encoding"] == "gzip, deflate"
    assert "br" in second.headers["accept-encoding"]


def test_codings_are_left_alone_where_none_was_asked_for(server: HttpServer) -> None:
    client = HttpClient(load_settings(allow_hosts=(server.place,)))
    answer = client.request(Request(server.url(f"/encoded/{gzip.compress(PHOTO).hex()}?as=gzip")))
    assert gzip.decompress(answer.result(LIMIT_S).body) == PHOTO
    client.close()


def test_the_user_agent_is_a_setting(server: HttpServer) -> None:
    name = "Tagline/1 (https://photos.example; ops@photos.example)"
    client = HttpClient(load_settings(allow_hosts=(server.place,), user_agent=name))
    client.request(Request(server.url("/bytes/1"))).result(LIMIT_S)
    client.close()
    assert server.requests[-1].headers["user-agent"] == name
    for wrong in ("a\r\nX: y", "tagline\x00", "Tägline"):
        with pytest.raises(ValueError, match="printable"):
            load_settings(user_agent=wrong)


def test_redirects_lead_where_browsers_would_go(server: HttpServer) -> None:
    client = HttpClient(load_settings(allow_hosts=(server.place,)))
    for target in ("/bytes/3?a b", "  /bytes/3 ", "/bytes/3?ü", "/by\ttes/3", f"{server.url('/bytes/3')}?é ü"):
        request = Request(server.url("/redirect?" + urlencode({"to": target})), max_redirects=1)
        assert client.request(request).result(LIMIT_S).body == b"xxx"
    client.close()
