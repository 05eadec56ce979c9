"""Fetching through a proxy: what may be judged here is, and allow-listed hosts are reached without it."""

from __future__ import annotations

import base64
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from core.errors import ItemError
from core.outbound.http.client import HttpClient, Request, Response
from core.settings import load_settings
from tests.integration.test_http_client import certificate
from tests.support.http_server import HttpServer, http_server
from tests.support.proxy import ForwardProxy, forward_proxy

LIMIT_S = 120.0
Fetch = Callable[..., Response]


@pytest.fixture
def server() -> Iterator[HttpServer]:
    with http_server() as running:
        yield running


@pytest.fixture
def proxy(server: HttpServer) -> Iterator[ForwardProxy]:
    with forward_proxy(server.port) as running:
        yield running


@pytest.fixture
def fetch(proxy: ForwardProxy) -> Fetch:
    def fetch(url: str, redirects: int = 0, **settings: object) -> Response:
        client = HttpClient(load_settings(**{"fetch_proxy": proxy.url, **settings}))
        try:
            return client.request(Request(url, max_redirects=redirects, timeout_s=5)).result(LIMIT_S)
        finally:
            client.close()

    return fetch


def failure(fetch: Fetch, url: str, redirects: int = 0, **settings: object) -> ItemError:
    with pytest.raises(ItemError) as caught:
        fetch(url, redirects, **settings)
    return caught.value


def test_names_that_only_the_proxy_knows(fetch: Fetch, proxy: ForwardProxy) -> None:
    assert fetch("http://photos.invalid/bytes/3").body == b"xxx"
    assert proxy.heads[0].startswith("GET http://photos.invalid/bytes/3 HTTP/1.1\r\n")


def test_tls_goes_through_to_the_host(
    fetch: Fetch, proxy: ForwardProxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cert, key = certificate(tmp_path, "DNS:photos.invalid")
    monkeypatch.setenv("SSL_CERT_FILE", str(cert))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    with http_server(lambda plain: context.wrap_socket(plain, server_side=True)) as secure:
        proxy.target = secure.port
        response = fetch("https://photos.invalid/bytes/3")
        assert (response.body, "x-proxy" in response.headers) == (b"xxx", False)
        assert proxy.heads[0].startswith("CONNECT photos.invalid:443 HTTP/1.1\r\n")
        assert failure(fetch, "https://other.invalid/bytes/3").code == "fetch_tls"


@pytest.mark.parametrize(
    "url", ["http://10.0.0.1/", "http://127.1/", "http://[::1]/", "http://[::ffff:8.8.8.8]/", "https://localhost/"]
)
def test_what_is_known_to_be_private_is_not_asked_for(fetch: Fetch, proxy: ForwardProxy, url: str) -> None:
    error = failure(fetch, url)
    assert (error.code, error.permanent) == ("address_not_allowed", True)
    assert failure(fetch, f"http://photos.invalid/redirect?to={url}", redirects=1).code == "address_not_allowed"
    assert len(proxy.heads) == 1


def test_what_the_operator_allowed_is_reached_without_it(fetch: Fetch, proxy: ForwardProxy, server: HttpServer) -> None:
    assert fetch(server.url("/bytes/2"), allow_hosts=(server.place,)).body == b"xx"
    assert proxy.heads == []


def test_credentials_go_to_the_proxy_alone(fetch: Fetch, proxy: ForwardProxy, server: HttpServer) -> None:
    with_password = proxy.url.replace("//", "//me:se%40cret@")
    assert fetch("http://photos.invalid/bytes/1", fetch_proxy=with_password).body == b"x"
    expected = base64.b64encode(b"me:se@cret").decode()
    assert f"Proxy-Authorization: Basic {expected}\r\n" in proxy.heads[0]


def test_a_proxy_that_says_no(fetch: Fetch, proxy: ForwardProxy) -> None:
    proxy.refusal = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno"
    error = failure(fetch, "https://photos.invalid/bytes/1")
    assert (error.code, error.permanent) == ("fetch_failed", False)
    assert "403" in error.message


def test_the_proxys_yes_is_not_the_hosts(proxy: ForwardProxy, server: HttpServer) -> None:
    """A webhook is delivered when its receiver has said 2xx, not when the proxy has got through to it."""
    client = HttpClient(load_settings(fetch_proxy=proxy.url))  # and the server speaks no TLS
    answer = client.request(Request("https://hook.invalid/", method="POST", body=b"{}", status_only=True))
    assert isinstance(answer.exception(LIMIT_S), ItemError)
    client.close()


def test_a_proxy_that_is_not_there(fetch: Fetch, server: HttpServer) -> None:
    for url in ("http://127.0.0.1:1", "http://no-such-proxy.invalid:3128"):
        error = failure(fetch, "http://photos.invalid/bytes/1", fetch_proxy=url)
        assert (error.code, error.permanent) == ("fetch_failed", False)
        assert "TAGLINE_FETCH_PROXY" in error.message
        assert "photos.invalid" not in error.message


@pytest.mark.parametrize("value", ["proxy:3128", "http://proxy", "socks5://proxy:1", "http://pro xy:1", "http://p:1/x"])
def test_a_setting_that_is_no_proxy(value: str) -> None:
    with pytest.raises(ValueError, match="TAGLINE_FETCH_PROXY"):
        load_settings(fetch_proxy=value)


def test_settings_that_are() -> None:
    for value in ("http://proxy:3128", "https://me:x@proxy.example:443/", "http://[fd00::1]:8080"):
        assert load_settings(fetch_proxy=value).fetch_proxy == value.rstrip("/")
