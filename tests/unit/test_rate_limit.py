"""How often something may be done: bursts, pauses, strangers behind one proxy, and what is remembered of them."""

from __future__ import annotations

import pytest

from api.http import rate_limit
from api.http.rate_limit import RateLimit, network_of


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_a_burst_and_then_one_at_a_time(clock: Clock) -> None:
    limit = RateLimit(burst=3, every_s=5, clock=clock)
    assert [limit.take("a") for _ in range(4)] == [0, 0, 0, 5]
    assert limit.take("b") == 0, "others are not concerned"
    clock.now += 4
    assert limit.take("a") == pytest.approx(1)
    clock.now += 1
    assert [limit.take("a"), limit.take("a")] == [0, pytest.approx(5)]


def test_asking_takes_nothing_and_being_refused_costs_nothing(clock: Clock) -> None:
    """Whoever goes on trying must not push the next turn away: it may be somebody else's behind the same proxy."""
    limit = RateLimit(burst=1, every_s=5, clock=clock)
    assert [limit.wait_s("a"), limit.wait_s("a"), limit.take("a")] == [0, 0, 0]
    for _ in range(1_000):
        assert limit.take("a") > 0
    clock.now += 5
    assert limit.take("a") == 0


def test_who_pauses_has_his_burst_again_and_no_more(clock: Clock) -> None:
    limit = RateLimit(burst=3, every_s=5, clock=clock)
    for _ in range(3):
        limit.take("a")
    clock.now += 1_000
    assert [limit.take("a") > 0 for _ in range(4)] == [False, False, False, True]


def test_only_so_many_are_remembered_and_the_worst_longest(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rate_limit, "MOST_REMEMBERED", 100)
    limit = RateLimit(burst=2, every_s=60, clock=clock)
    assert [limit.take("guesser") for _ in range(2)] == [0, 0]
    for number in range(1_000):
        limit.take(str(number))
    assert len(limit._full_at) <= 100
    assert limit.take("guesser") > 0


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.7", "192.0.2.7"), ("::ffff:192.0.2.7", "192.0.2.7"), ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::", "2001:db8:1:2::/64"), ("", "unknown"), ("unix:", "unknown"), ("fe80::1%eth0", "fe80::/64"),
    ],
)  # fmt: skip
def test_who_an_address_stands_for(address: str, network: str) -> None:
    assert network_of(address) == network
