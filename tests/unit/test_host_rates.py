"""Requests a second to one host, counted on a clock of the test's own."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import Postponed
from core.outbound.http.exchange import Exchange
from core.outbound.http.hosts import HostStates
from core.outbound.http.messages import Request
from core.outbound.http.rates import Rates
from core.outbound.http.waiting import WaitingRoom
from core.states import Priority


def room(rate: float, per_host: int = 16) -> WaitingRoom:
    return WaitingRoom(64, per_host, HostStates(), rate=rate, wait_s=2, proxy=None, again=lambda exchange: None)


def exchange(url: str, priority: Priority = Priority.BULK, *, host_aware: bool = True) -> Exchange:
    return Exchange(Request(url, priority=priority, host_aware=host_aware), ())


def run(waiting: WaitingRoom, until: float, now: float = 0.0) -> list[tuple[float, Exchange]]:
    """What starts when, where every transfer ends at once and the loop sleeps as long as it may."""
    started = []
    while now <= until:
        while (taken := waiting.take(now)) is not None:
            started.append((now, taken[1]))
            waiting.admission.release(taken[0], taken[1].request.priority)
        if waiting.next_moment is None:
            break
        assert waiting.next_moment > now, "the loop would spin"
        now = waiting.next_moment
    return started


@given(st.sampled_from([0.5, 1.0, 7.0, 30.0, 250.0]), st.lists(st.floats(0, 3), max_size=60))
def test_no_window_has_more_than_its_requests(rate: float, arrivals: list[float]) -> None:
    """Whenever they are handed in; and nobody waits where there is nobody to wait for."""
    waiting, starts, now = room(rate), list[float](), 0.0
    for at, n in sorted((at, n) for n, at in enumerate(arrivals)):
        starts += [when for when, _ in run(waiting, at, now)]
        now = at
        waiting.enter(exchange(f"http://a.example/{n}"), now)
    starts += [when for when, _ in run(waiting, 1000, now)]
    assert len(starts) == len(arrivals)
    for first in range(len(starts)):
        for last in range(first, len(starts)):
            most = (starts[last] - starts[first] + 0.1) * rate + 1
            assert last - first + 1 <= most + 1e-6


def test_each_host_has_its_own_and_nobody_waits_for_anothers() -> None:
    waiting = room(1)
    for n in range(3):
        for place in ("a.example", "a.example:8080", "b.example"):
            waiting.enter(exchange(f"http://{place}/{n}"), 0)
    started = run(waiting, 10)
    assert Counter(at for at, _ in started) == {0: 3, 1: 3, 2: 3}


def test_interactive_goes_first_and_who_minds_no_hosts_does_not_wait() -> None:
    waiting = room(1)
    for n in range(4):
        waiting.enter(exchange(f"http://a.example/{n}"), 0)
    waiting.enter(exchange("http://a.example/quick", Priority.INTERACTIVE), 0)
    order = [one.request.url[-5:] for _, one in run(waiting, 2)]
    assert order[0] == "quick"
    webhook = room(0.001)
    webhook.enter(exchange("http://a.example/0"), 0)
    assert len(run(webhook, 0)) == 1
    webhook.enter(exchange("http://a.example/1", host_aware=False), 0)
    webhook.enter(exchange("http://a.example/2", host_aware=False), 0)
    assert len(run(webhook, 0)) == 2


def test_no_limit_is_no_limit() -> None:
    waiting = room(0)
    for n in range(1000):
        waiting.enter(exchange(f"http://a.example/{n}"), 0)
    assert len(run(waiting, 0)) == 1000


def test_a_long_queue_is_put_off_in_turn_and_nobody_who_has_begun() -> None:
    """Sixty-four wait in here. Of the others each has a moment of its own, at the host's rate and none too far away."""
    waiting = room(2)
    exchanges = [exchange(f"http://a.example/{n}") for n in range(2000)]
    begun = exchange("http://a.example/begun")
    begun.begun = begun.future.set_running_or_notify_cancel()
    for one in (*exchanges, begun):
        waiting.enter(one, 0)
    put_off = [one.future.exception() for one in exchanges if one.future.done()]
    assert len(put_off) == 2000 - 64
    times = [error.retry_in_s for error in put_off if isinstance(error, Postponed)]
    assert len(times) == len(put_off)
    assert times[:3] == pytest.approx([32, 32.5, 33], abs=0.6)
    assert times == sorted(times)
    assert times[-1] <= 300.5
    assert not begun.future.done()
    assert len(run(waiting, 40)) == 65
    late = exchange("http://a.example/late")
    waiting.enter(late, 40)
    assert not late.future.done(), "it came when nobody waited"


def test_forgotten_hosts_take_no_memory() -> None:
    rates = Rates(10)
    for n in range(100):
        rates.take((f"{n}.example", 80), float(n))
    assert len(rates._full_at) <= 2
