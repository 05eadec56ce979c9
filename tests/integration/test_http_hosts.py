"""Hosts that ask for time and hosts that do not answer, real ones, and everybody else's requests beside them."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from urllib.parse import quote

import pytest

from core.errors import ItemError, Postponed
from core.outbound.http import client as client_module
from core.outbound.http import loop
from core.outbound.http.client import HttpClient, Request, Response
from core.outbound.http.hosts import HostStates
from core.settings import load_settings
from core.states import Priority
from tests.support.http_server import HttpServer, http_server

LIMIT_S = 120.0
Open = Callable[..., HttpClient]


@pytest.fixture
def server() -> Iterator[HttpServer]:
    with http_server() as running:
        yield running


@pytest.fixture
def healthy() -> Iterator[HttpServer]:
    with http_server() as running:
        yield running


@pytest.fixture
def silent() -> Iterator[list[str]]:
    """host:port of hosts that take connections and never say anything."""
    with ExitStack() as stack:
        listeners = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(6)]
        yield [f"127.0.0.1:{listener.getsockname()[1]}" for listener in listeners]


@pytest.fixture
def open_() -> Iterator[Open]:
    opened: list[HttpClient] = []

    def open_(*places: str, hosts: HostStates | None = None, **settings: object) -> HttpClient:
        opened.append(HttpClient(load_settings(allow_hosts=places, **settings), hosts))
        return opened[-1]

    yield open_
    for client in opened:
        client.close()


def fetch(client: HttpClient, url: str, timeout_s: float = LIMIT_S, **options: object) -> Future[Response]:
    return client.request(Request(url, timeout_s=timeout_s, **{"host_aware": True, **options}))  # type: ignore[arg-type]


def fetch_until_served(client: HttpClient, urls: list[str]) -> tuple[list[int], int]:
    """As a worker does: whatever is postponed is brought again when its time has come. Statuses, and postponements."""
    statuses, postponed = [], 0
    due = [(0.0, url) for url in urls]
    deadline = time.monotonic() + LIMIT_S
    while due:
        assert time.monotonic() < deadline
        now = time.monotonic()
        answers = {fetch(client, url): url for moment, url in due if moment <= now}
        due = [(moment, url) for moment, url in due if moment > now]
        assert not wait(answers, LIMIT_S).not_done
        for answer, url in answers.items():
            error = answer.exception()
            if isinstance(error, Postponed):
                postponed += 1
                due.append((time.monotonic() + error.retry_in_s, url))
            else:
                statuses.append(answer.result().status)
        time.sleep(0.01)
    return statuses, postponed


# Hosts that ask for time


@pytest.mark.parametrize("code", [429, 503])
def test_everything_is_served_by_a_host_that_limits_rates(open_: Open, server: HttpServer, code: int) -> None:
    client = open_(server.place)
    urls = [server.url(f"/limited/10/0.2/{number}?after=0&code={code}") for number in range(60)]
    statuses, _ = fetch_until_served(client, urls)
    assert statuses == [200] * 60
    assert len(server.requests) < 60 * 4  # hardly anybody asks in vain more than a few times


def test_everything_is_served_without_retry_after_too(open_: Open, server: HttpServer) -> None:
    client = open_(server.place, fetch_per_host=4)
    urls = [server.url(f"/limited/3/0.5/{number}?after=none") for number in range(6)]
    answers = [fetch(client, url, retries=2) for url in urls]
    assert [answer.result(LIMIT_S).status for answer in answers] == [200] * 6


@pytest.mark.parametrize("how", ["seconds", "date"])
def test_the_whole_host_is_left_alone(
    open_: Open, server: HttpServer, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "_WAIT_S", 5.0)  # so that a request may have time and yet less than the pause
    client = open_(server.place)
    after = "3" if how == "seconds" else quote(format_datetime(datetime.now(UTC) + timedelta(seconds=4), usegmt=True))
    first = fetch(client, server.url(f"/limited/0/1/first?after={after}"), timeout_s=2.9)
    while not (paused_s := client.hosts.paused_for(("127.0.0.1", server.port))):
        assert not first.done()
        time.sleep(0.005)
    until = time.monotonic() + paused_s
    second = fetch(client, server.url("/bytes/2"), timeout_s=2.9)
    assert second.result(LIMIT_S).body == b"xx"  # its time was not spent on waiting
    [arrived] = [request.at for request in server.requests if request.words[0] == "bytes"]
    assert arrived > until - 0.01
    error = first.exception(LIMIT_S)  # its second or third plea is more than one request waits in the client
    assert isinstance(error, Postponed)
    assert error.retry_in_s > 0


def test_a_longer_pause_is_told_at_once_and_concerns_nobody_else(
    open_: Open, server: HttpServer, healthy: HttpServer
) -> None:
    client = open_(server.place, healthy.place)
    with pytest.raises(Postponed) as caught:
        fetch(client, server.url("/status/503?after=60"), retries=2).result(LIMIT_S)
    assert 50 < caught.value.retry_in_s <= 60
    with pytest.raises(Postponed):
        fetch(client, server.url("/bytes/1")).result(LIMIT_S)
    assert len(server.requests) == 1
    assert fetch(client, healthy.url("/bytes/3")).result(LIMIT_S).body == b"xxx"
    assert isinstance(client.hosts.hindrance(server.url("/bytes/1")), Postponed)
    assert client.request(Request(server.url("/bytes/1"))).result(LIMIT_S).status == 200  # who does not mind hosts


def test_a_pause_beyond_all_patience_is_an_answer(open_: Open, server: HttpServer) -> None:
    client = open_(server.place, fetch_pause_max_s=30)
    assert fetch(client, server.url("/status/429?after=31"), retries=2).result(LIMIT_S).status == 429
    with pytest.raises(Postponed) as caught:
        fetch(client, server.url("/bytes/1")).result(LIMIT_S)
    assert caught.value.retry_in_s <= 30


def test_a_host_that_never_serves_a_url_is_given_up(open_: Open, server: HttpServer) -> None:
    client = open_(server.place, hosts=HostStates(pause_max_s=0.5))
    assert fetch(client, server.url("/status/503?after=0")).result(LIMIT_S).status == 503
    assert len(server.requests) == 3  # after 0.25 and 0.5 seconds


def test_redirects_wait_for_the_host_they_lead_to(open_: Open, server: HttpServer, healthy: HttpServer) -> None:
    client = open_(server.place, healthy.place)
    client.hosts.pause(("127.0.0.1", server.port), "x", 0)
    url = healthy.url(f"/redirect?to={server.url('/bytes/4')}")
    assert fetch(client, url, max_redirects=1).result(LIMIT_S).body == b"xxxx"
    client.hosts.pause(("127.0.0.1", server.port), "x", 60)
    with pytest.raises(Postponed):
        fetch(client, url, max_redirects=1).result(LIMIT_S)


# Hosts that do not answer


def test_a_dead_host_fails_fast_until_a_probe_finds_it_alive(open_: Open, server: HttpServer) -> None:
    client = open_(server.place, fetch_per_host=4, hosts=HostStates(dead_after=3, probe_s=0.1))
    server.asleep = True
    answers = [fetch(client, server.url(f"/awake?{number}"), timeout_s=0.4, retries=2) for number in range(200)]
    assert not wait(answers, LIMIT_S).not_done
    errors = [answer.exception() for answer in answers]
    codes = [error.code for error in errors if isinstance(error, ItemError) and not error.permanent]
    assert codes[:4] == ["fetch_timeout"] * 4
    assert codes.count("host_unresponsive") >= 190
    server.asleep = False
    deadline = time.monotonic() + LIMIT_S
    while (error := fetch(client, server.url("/awake"), timeout_s=0.4).exception(LIMIT_S)) is not None:
        assert isinstance(error, ItemError)
        assert error.code in ("host_unresponsive", "fetch_timeout")
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert fetch(client, server.url("/awake")).result(LIMIT_S).body == b"awake"


def test_what_answers_too_late_for_one_url_still_answers_for_others(open_: Open, server: HttpServer) -> None:
    client = open_(server.place, fetch_dead_after=2, fetch_per_host=4)
    slow = [fetch(client, server.url(f"/silent?{n}"), timeout_s=2) for n in range(3)]
    quick = [fetch(client, server.url(f"/bytes/1?{n}")) for n in range(20)]
    assert all(answer.result(LIMIT_S).status == 200 for answer in quick)
    assert not wait(slow, LIMIT_S).not_done
    assert fetch(client, server.url("/bytes/1")).result(LIMIT_S).status == 200


def test_half_an_answer_is_no_silence(open_: Open, server: HttpServer) -> None:
    client = open_(server.place, fetch_dead_after=1)
    halves = [fetch(client, server.url(path), timeout_s=2) for path in ("/stall", "/drip", "/drip-headers")]
    for error in [half.exception(LIMIT_S) for half in halves]:
        assert isinstance(error, ItemError)
        assert error.code == "fetch_timeout"
    assert fetch(client, server.url("/bytes/1")).result(LIMIT_S).status == 200


def test_quick_failures_are_no_silence(open_: Open, server: HttpServer) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, not listening
        place = f"127.0.0.1:{taken.getsockname()[1]}"
        client = open_(place, server.place, fetch_dead_after=1)
        for url in (f"http://{place}/", "http://does-not-exist.invalid/", server.url("/reset"), server.url("/nothing")):
            codes = {fetch(client, url).exception(LIMIT_S).code for _ in range(3)}  # type: ignore[union-attr]
            assert codes <= {"fetch_refused", "fetch_dns", "fetch_failed"}


def test_any_number_of_silent_hosts_leaves_room(
    open_: Open, healthy: HttpServer, silent: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twelve transfers hang in six hosts, three times as many as may be under way: others pass all the same."""
    monkeypatch.setattr(loop, "_SILENT_AFTER_S", 0.1)
    client = open_(healthy.place, *silent, fetch_concurrency=4, fetch_per_host=2)
    stuck = [fetch(client, f"http://{place}/{n}", timeout_s=600) for n in range(9) for place in silent]
    passed = [fetch(client, healthy.url(f"/bytes/{n}")) for n in range(30)]
    assert not wait(passed, LIMIT_S).not_done
    assert not any(answer.done() for answer in stuck)


def test_places_are_kept_for_interactive_requests(open_: Open, healthy: HttpServer, silent: list[str]) -> None:
    client = open_(healthy.place, *silent, fetch_concurrency=8, fetch_per_host=8)
    stuck = [client.request(Request(f"http://{place}/{n}", timeout_s=600)) for n in range(9) for place in silent]
    answer = client.request(Request(healthy.url("/bytes/1"), priority=Priority.INTERACTIVE))
    assert answer.result(LIMIT_S).status == 200
    assert not any(one.done() for one in stuck)


def test_a_request_that_waits_for_a_host_can_be_cancelled(open_: Open, server: HttpServer) -> None:
    client = open_(server.place)
    client.hosts.pause(("127.0.0.1", server.port), "x", 1)
    waiting = fetch(client, server.url("/bytes/1?cancelled"))
    assert waiting.cancel()
    assert fetch(client, server.url("/bytes/1")).result(LIMIT_S).status == 200
    assert server.seen["/bytes/1?cancelled"] == 0


def test_closing_ends_what_waits_for_a_host(open_: Open, server: HttpServer) -> None:
    client = open_(server.place)
    client.hosts.pause(("127.0.0.1", server.port), "x", 2)
    waiting = fetch(client, server.url("/bytes/1"))
    client.close()
    assert isinstance(waiting.exception(LIMIT_S), ItemError)


# Hosts that get no more than so many requests a second


def test_a_hosts_rate_holds_for_all_requests_and_concerns_nobody_else(
    open_: Open, server: HttpServer, healthy: HttpServer
) -> None:
    """One request in a hundred seconds: the first passes, the others have not started while another host serves."""
    client = open_(server.place, healthy.place, fetch_per_host_rate=0.01)
    first = fetch(client, server.url("/bytes/1"), priority=Priority.INTERACTIVE)
    assert first.result(LIMIT_S).status == 200
    waiting = [
        fetch(client, server.url(f"/bytes/1?{n}"), priority=priority) for n in range(20) for priority in Priority
    ]
    assert fetch(client, healthy.url("/bytes/1")).result(LIMIT_S).status == 200
    assert client.request(Request(server.url("/bytes/2"))).result(LIMIT_S).status == 200  # who does not mind hosts
    redirected = fetch(client, healthy.url(f"/redirect?to={server.url('/bytes/1')}"), max_redirects=1)
    assert [request.target for request in server.requests] == ["/bytes/1", "/bytes/2"]
    assert not any(answer.done() for answer in (*waiting, redirected))


def test_a_host_with_a_rate_serves_all_in_time_over_few_connections(open_: Open, server: HttpServer) -> None:
    client = open_(server.place, fetch_per_host=2, fetch_per_host_rate=400)
    statuses, _ = fetch_until_served(client, [server.url(f"/bytes/1?{n}") for n in range(200)])
    assert statuses == [200] * 200
    assert server.most_active <= 2
    assert server.connections <= 2
