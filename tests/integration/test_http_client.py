"""The HTTP client against a server that means harm. Times here are only limits, never expectations."""

from __future__ import annotations

import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from pathlib import Path
from typing import Any

import pytest

from core.errors import ItemError
from core.outbound.http.client import HttpClient, Request, Response
from core.settings import load_settings
from core.version import VERSION
from tests.support.http_server import HttpServer, http_server

LIMIT_S = 120.0
Get = Callable[..., Response]


@pytest.fixture(scope="module")
def server() -> Iterator[HttpServer]:
    with http_server() as running:
        yield running


@pytest.fixture(scope="module")
def client(server: HttpServer) -> Iterator[HttpClient]:
    opened = HttpClient(load_settings(allow_hosts=(server.place,)))
    yield opened
    opened.close()


@pytest.fixture
def get(server: HttpServer, client: HttpClient) -> Get:
    def get(path: str, **options: Any) -> Response:
        url = server.url(path) if path.startswith("/") else path
        return client.request(Request(url, **{"timeout_s": LIMIT_S} | options)).result(LIMIT_S)

    return get


def code_of(get: Get, path: str, **options: Any) -> str:
    with pytest.raises(ItemError) as caught:
        get(path, **options)
    assert caught.value.message
    return caught.value.code


def test_a_response(get: Get, server: HttpServer) -> None:
    response = get("/bytes/10", headers={"X-One": "1"})
    assert (response.status, response.body, response.url) == (200, b"x" * 10, server.url("/bytes/10"))
    assert response.headers["content-length"] == "10"
    assert response.elapsed_s > 0
    sent = server.requests[-1].headers
    assert sent["user-agent"] == f"Tagline/{VERSION}"
    assert sent["x-one"] == "1"
    assert "accept-encoding" not in sent


def test_methods_and_bodies(get: Get, server: HttpServer) -> None:
    body = b"\0\xff" * 500_000
    assert get("/echo", method="POST", body=body, max_bytes=2_000_000).body == b"POST " + body
    assert get("/echo", method="PUT", body=b"").body == b"PUT "
    assert get("/echo", method="DELETE").body == b"DELETE "
    assert get("/echo").body == b"GET "  # nothing of the others is left on a handle


def test_any_status_is_a_response(get: Get) -> None:
    for status in (204, 304, 404, 429, 500):
        assert get(f"/status/{status}").status == status
    assert get("/status/503?after=7").retry_after_s == 7
    assert get("/status/503?after=Fri,+01+Jan+2100+00:00:00+GMT").retry_after_s > 1e6  # type: ignore[operator]
    assert get("/status/503?after=soon").retry_after_s is None


def test_an_empty_body_and_early_hints(get: Get) -> None:
    assert get("/bytes/0").body == b""
    hinted = get("/hints", max_redirects=3)
    assert (hinted.body, "link" in hinted.headers) == (b"real", False)


# Redirects


def test_redirects_are_followed(get: Get, server: HttpServer) -> None:
    response = get("/chain/5", max_redirects=5)
    assert (response.body, response.url) == (b"end", server.url("/chain/0"))


def test_redirects_are_not_followed_unasked(get: Get) -> None:
    assert get("/chain/5").status == 302


def test_redirects_without_end(get: Get) -> None:
    assert code_of(get, "/redirect?to=/redirect%3Fto%3Dx", max_redirects=0 + 1) == "fetch_too_many_redirects"
    assert code_of(get, "/chain/6", max_redirects=5) == "fetch_too_many_redirects"


@pytest.mark.parametrize(
    ("target", "code"),
    [
        ("file:///etc/passwd", "url_scheme_not_allowed"),
        ("gopher://127.0.0.1:70/x", "url_scheme_not_allowed"),
        ("http://127.0.0.1:1/", "address_not_allowed"),
        ("http://169.254.169.254/latest/meta-data/", "address_not_allowed"),
        ("http://[::1]:1/", "address_not_allowed"),
        ("http://2130706433:1/", "address_not_allowed"),
        ("//0x7f.1:1/", "address_not_allowed"),
        ("http://user:secret@example.com/", "fetch_bad_redirect"),
        ("http://[nonsense/", "fetch_bad_redirect"),
        ("http://:99999/", "fetch_bad_redirect"),
    ],
)
def test_redirects_to_where_one_may_not_go(get: Get, target: str, code: str) -> None:
    assert code_of(get, f"/redirect?to={target}", max_redirects=5) == code


def test_redirect_locations_are_forgiven_spaces(get: Get) -> None:
    assert get("/redirect?to=/bytes/3%3Fname%3Da+b%C3%A9", max_redirects=1).body == b"xxx"


def test_a_redirects_body_does_not_count(get: Get) -> None:
    assert get("/redirect?to=/bytes/3&size=1000000", max_redirects=1, max_bytes=10).body == b"xxx"


def test_methods_across_redirects(get: Get) -> None:
    post: dict[str, Any] = {"method": "POST", "body": b"b", "max_redirects": 1}
    assert get("/redirect?to=/echo&code=303", **post).body == b"GET "
    assert get("/redirect?to=/echo&code=302", **post).body == b"GET "
    assert get("/redirect?to=/echo&code=307", **post).body == b"POST b"


def test_secrets_stay_with_their_origin(client: HttpClient) -> None:
    with http_server() as one, http_server() as other:
        reader = HttpClient(load_settings(allow_hosts=(one.place, other.place)))
        headers = {"Authorization": "Bearer x", "X-Kept": "1"}
        for target in (one.url("/bytes/1"), other.url("/bytes/1")):
            request = Request(one.url(f"/redirect?to={target}"), headers=headers, max_redirects=1)
            assert reader.request(request).result(LIMIT_S).status == 200
        reader.close()
        assert "authorization" in one.requests[1].headers
        assert "authorization" not in other.requests[0].headers
        assert "x-kept" in other.requests[0].headers


# The guard


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f.1",
        "0177.0.0.1",
        "0.0.0.0",
        "[::1]",
        "[::ffff:127.0.0.1]",
    ],
)
def test_this_machine_is_not_dialled(server: HttpServer, host: str) -> None:
    before = server.connections
    strict = HttpClient(load_settings(allow_hosts=()))
    with pytest.raises(ItemError) as caught:
        strict.request(Request(f"http://{host}:{server.port}/bytes/1")).result(LIMIT_S)
    strict.close()
    assert caught.value.code == "address_not_allowed"
    assert caught.value.permanent
    assert server.connections == before


def test_the_allow_list_is_of_the_name_not_the_address(get: Get, server: HttpServer) -> None:
    assert code_of(get, f"http://localhost:{server.port}/bytes/1") == "address_not_allowed"


def test_a_pooled_connection_is_judged_again(server: HttpServer) -> None:
    client = HttpClient(load_settings(allow_hosts=(server.place,), fetch_concurrency=1))
    assert client.request(Request(server.url("/bytes/1"))).result(LIMIT_S).status == 200
    before = len(server.requests)
    client._allow_hosts = ()
    with pytest.raises(ItemError) as caught:
        client.request(Request(server.url("/bytes/1"))).result(LIMIT_S)
    client.close()
    assert caught.value.code == "address_not_allowed"
    assert len(server.requests) == before


def test_no_proxy_from_the_environment(monkeypatch: pytest.MonkeyPatch, get: Get) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert get("/bytes/1").status == 200


def test_no_line_breaks_in_headers(get: Get) -> None:
    assert code_of(get, "/bytes/1", headers={"X": "a\r\nHost: other"}) == "fetch_failed"


# Limits


@pytest.mark.parametrize(
    "path", ["/bytes/1001", "/length/1001", "/length/99999999999999", "/endless", "/endless/gzip", "/gzip/1000000"]
)
def test_too_many_bytes(get: Get, path: str) -> None:
    assert code_of(get, path, max_bytes=1000, accept_encoding=True) == "fetch_too_large"


def test_a_gzip_bomb_at_a_real_limit(get: Get) -> None:
    assert code_of(get, "/endless/gzip", max_bytes=32 * 1024 * 1024, accept_encoding=True) == "fetch_too_large"


def test_a_gigabyte_is_cut_at_the_limit(get: Get) -> None:
    assert code_of(get, "/endless", max_bytes=32 * 1024 * 1024) == "fetch_too_large"


def test_exactly_the_limit(get: Get) -> None:
    assert len(get("/bytes/1000", max_bytes=1000).body) == 1000
    assert len(get("/gzip/1000", max_bytes=1000, accept_encoding=True).body) == 1000


@pytest.mark.parametrize(("count", "length"), [(5000, 20), (10, 90_000), (2, 400_000)])
def test_too_many_headers(get: Get, count: int, length: int) -> None:
    assert code_of(get, f"/headers/{count}/{length}") in ("fetch_too_large", "fetch_failed")


@pytest.mark.parametrize("path", ["/silent", "/stall", "/drip", "/drip-headers", "/redirect?to=/silent"])
def test_no_more_than_the_time(get: Get, path: str) -> None:
    with pytest.raises(ItemError) as caught:
        get(path, timeout_s=0.3, max_redirects=2)
    assert (caught.value.code, caught.value.permanent) == ("fetch_timeout", False)


def test_the_time_is_for_all_hops_together(get: Get) -> None:
    assert code_of(get, "/chain/1000000", timeout_s=0.5, max_redirects=1_000_000) == "fetch_timeout"
    assert get("/flaky/503/1000000", timeout_s=2, retries=1000).status == 503


# Servers that break


@pytest.mark.parametrize(
    ("path", "code", "permanent"),
    [
        ("/short", "fetch_truncated", False),
        ("/cut-chunks", "fetch_truncated", False),
        ("/reset", "fetch_failed", False),
        ("/nothing", "fetch_failed", False),
        ("/not-http", "fetch_failed", True),
        ("/bad-gzip", "fetch_failed", True),
        ("/length/nonsense", "fetch_failed", True),
        ("/length/-5", "fetch_failed", True),
    ],
)
def test_broken_responses(get: Get, path: str, code: str, permanent: bool) -> None:
    with pytest.raises(ItemError) as caught:
        get(path, accept_encoding=True)
    assert (caught.value.code, caught.value.permanent) == (code, permanent)


def test_more_than_was_declared_is_ignored(get: Get) -> None:
    assert get("/long").body == b"abc"
    assert get("/bytes/2").body == b"xx"


def test_nobody_listens(get: Get, server: HttpServer) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, not listening
        place = f"127.0.0.1:{taken.getsockname()[1]}"
        client = HttpClient(load_settings(allow_hosts=(place,)))
        with pytest.raises(ItemError) as caught:
            client.request(Request(f"http://{place}/")).result(LIMIT_S)
        client.close()
    assert (caught.value.code, caught.value.permanent) == ("fetch_refused", False)


def test_names_that_do_not_exist(get: Get) -> None:
    assert code_of(get, "http://does-not-exist.invalid/") == "fetch_dns"


@pytest.mark.parametrize("kind", ["503", "reset"])
def test_transient_failures_are_tried_again(get: Get, server: HttpServer, kind: str) -> None:
    path = f"/flaky/{kind}/2"
    server.seen[path] = 0
    assert get(path, retries=2).body == b"at last"
    path = f"/flaky/{kind}/1000"
    if kind == "503":
        assert get(path, retries=1).status == 503
        assert server.seen[path] == 2
    else:
        assert code_of(get, path, retries=1) == "fetch_failed"
        assert server.seen[path] <= 3  # libcurl itself repeats a request that met a pooled connection's end


def test_permanent_failures_are_not_tried_again(get: Get, server: HttpServer) -> None:
    assert get("/status/404?once", retries=2).status == 404
    assert server.seen["/status/404?once"] == 1
    assert get("/status/503?after=3600", retries=2).status == 503  # longer than the time there is
    assert server.seen["/status/503?after=3600"] == 1


# TLS


def certificate(folder: Path, name: str) -> tuple[Path, Path]:
    cert, key = folder / "cert.pem", folder / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-keyout", str(key), "-out", str(cert), "-days", "2", "-subj", "/CN=test"]
    command += ["-addext", f"subjectAltName={name}"]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("no openssl command here")
    return cert, key


@pytest.mark.parametrize(
    ("name", "trusted", "code"),
    [("IP:127.0.0.1", True, None), ("IP:127.0.0.1", False, "fetch_tls"), ("DNS:other.example", True, "fetch_tls")],
)
def test_certificates(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, trusted: bool, code: str | None
) -> None:
    cert, key = certificate(tmp_path, name)
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(cert))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    with http_server(lambda plain: context.wrap_socket(plain, server_side=True)) as server:
        client = HttpClient(load_settings(allow_hosts=(server.place,)))
        answer = client.request(Request(f"https://{server.place}/bytes/5"))
        if code is None:
            assert answer.result(LIMIT_S).body == b"xxxxx"
        else:
            with pytest.raises(ItemError) as caught:
                answer.result(LIMIT_S)
            assert (caught.value.code, caught.value.permanent) == (code, True)
        client.close()


def test_tls_to_a_server_without(server: HttpServer, get: Get) -> None:
    assert code_of(get, f"https://{server.place}/") == "fetch_tls"


# Many at a time


def test_many_among_failures(server: HttpServer, client: HttpClient) -> None:
    paths = ["/bytes/100", "/status/404", "/reset", "/gzip/100000", "/short", "/chain/2"]
    requests = [
        Request(server.url(paths[n % 6]), max_bytes=1000, accept_encoding=True, max_redirects=3) for n in range(600)
    ]
    answers = [client.request(request) for request in requests]
    assert not wait(answers, LIMIT_S).not_done
    for number, answer in enumerate(answers):
        error = answer.exception()
        match number % 6:
            case 0:
                assert answer.result().body == b"x" * 100
            case 1:
                assert answer.result().status == 404
            case 5:
                assert answer.result().body == b"end"
            case _:
                assert isinstance(error, ItemError)


def test_connections_are_capped_and_hosts_take_turns() -> None:
    with http_server() as slow, http_server() as quick:
        settings = load_settings(allow_hosts=(slow.place, quick.place), fetch_per_host=2, fetch_concurrency=3)
        client = HttpClient(settings)
        stuck = [client.request(Request(slow.url("/silent"), timeout_s=LIMIT_S)) for _ in range(20)]
        passed = [client.request(Request(quick.url("/bytes/1"), timeout_s=LIMIT_S)) for _ in range(20)]
        assert not wait(passed, LIMIT_S).not_done
        assert not any(answer.done() for answer in stuck)
        assert slow.most_active <= 2
        assert quick.most_active == 1  # three in all, two of them stuck
        assert quick.connections == 1
        client.close()
        assert all(isinstance(answer.exception(0), ItemError) for answer in stuck)


def test_waiting_for_a_place_takes_no_time_off(server: HttpServer) -> None:
    client = HttpClient(load_settings(allow_hosts=(server.place,), fetch_concurrency=1))
    answers = [client.request(Request(server.url("/silent"), timeout_s=1)) for _ in range(3)]
    last = client.request(Request(server.url("/bytes/1"), timeout_s=2.9))
    assert last.result(LIMIT_S).status == 200
    assert all(isinstance(answer.exception(0), ItemError) for answer in answers)
    client.close()


def test_cancelling_what_waits(server: HttpServer) -> None:
    client = HttpClient(load_settings(allow_hosts=(server.place,), fetch_concurrency=1))
    first = client.request(Request(server.url("/silent"), timeout_s=0.5))
    second = client.request(Request(server.url("/bytes/1?cancelled")))
    assert second.cancel()
    third = client.request(Request(server.url("/bytes/1")))
    assert third.result(LIMIT_S).status == 200
    assert first.exception(0) is not None
    assert server.seen["/bytes/1?cancelled"] == 0
    client.close()


# The end, and survival


def test_closing_while_busy(server: HttpServer) -> None:
    client = HttpClient(load_settings(allow_hosts=(server.place,), fetch_concurrency=4))
    paths = ["/silent", "/stall", "/drip", "/flaky/503/1000000"]
    answers = [client.request(Request(server.url(paths[n % 4]), retries=9)) for n in range(40)]
    closers = [threading.Thread(target=client.close) for _ in range(3)]
    for closer in closers:
        closer.start()
    for closer in closers:
        closer.join(LIMIT_S)
        assert not closer.is_alive()
    for answer in answers:
        assert isinstance(answer.exception(0), ItemError)
    late = client.request(Request(server.url("/bytes/1"))).exception(0)
    assert isinstance(late, ItemError)
    assert not late.permanent


def test_callbacks_may_ask_fail_and_close(server: HttpServer) -> None:
    client = HttpClient(load_settings(allow_hosts=(server.place,)))
    chained: Future[Response] = Future()

    def again(_: Future[Response]) -> None:
        client.request(Request(server.url("/bytes/2"))).add_done_callback(
            lambda done: chained.set_result(done.result())
        )
        raise RuntimeError("a careless callback")

    client.request(Request(server.url("/bytes/1"))).add_done_callback(again)
    assert chained.result(LIMIT_S).body == b"xx"
    closed = threading.Event()
    last = client.request(Request(server.url("/bytes/1")))
    last.add_done_callback(lambda _: (client.close(), closed.set()))  # type: ignore[func-returns-value]
    assert closed.wait(LIMIT_S)


def test_a_broken_loop_begins_again(server: HttpServer, client: HttpClient, monkeypatch: pytest.MonkeyPatch) -> None:
    stuck = client.request(Request(server.url("/silent")))
    while not stuck.running():
        time.sleep(0.01)

    def broken() -> None:
        monkeypatch.undo()
        raise OSError("the selector broke")

    monkeypatch.setattr(client._loop, "_collect", broken)
    client.request(Request(server.url("/bytes/1"))).exception(LIMIT_S)
    assert isinstance(stuck.exception(LIMIT_S), ItemError)
    assert client.request(Request(server.url("/bytes/1"))).result(LIMIT_S).status == 200
