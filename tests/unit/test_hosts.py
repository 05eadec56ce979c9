"""The memory of hosts, with a clock that the tests set."""

from __future__ import annotations

import pytest

from core.errors import Postponed
from core.outbound.http.hosts import HostStates, Place

HOST: Place = ("photos.example", 443)
OTHER: Place = ("other.example", 443)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def hosts(clock: Clock) -> HostStates:
    return HostStates(pause_max_s=600, dead_after=4, probe_s=5, clock=clock)


def fall_silent(hosts: HostStates, clock: Clock, times: int, *, connected: bool = True) -> list[bool]:
    """So many URLs time out, each after 30 seconds."""
    started = clock.now
    clock.now += 30
    return [hosts.silence(HOST, f"https://photos.example/{n}", started, connected=connected) for n in range(times)]


# Pauses


def test_the_whole_host_is_paused_as_it_asks(hosts: HostStates, clock: Clock) -> None:
    assert hosts.pause(HOST, "a", 7)
    assert (hosts.paused_for(HOST), hosts.paused_for(OTHER), hosts.paused_for(("photos.example", 80))) == (7, 0, 0)
    assert hosts.pause(HOST, "b", 3)  # a shorter one does not shorten it
    clock.now += 6
    assert hosts.paused_for(HOST) == 1
    clock.now += 1
    assert hosts.paused_for(HOST) == 0


def test_who_asks_for_too_much_is_left_alone_but_not_waited_for(hosts: HostStates) -> None:
    assert not hosts.pause(HOST, "a", 3600)
    assert hosts.paused_for(HOST) == 600


def test_pauses_of_nothing_grow_while_everybody_is_turned_away(hosts: HostStates, clock: Clock) -> None:
    pauses = []
    for _ in range(4):
        assert hosts.pause(HOST, "a", 0)
        assert hosts.pause(HOST, "b", 0)  # under way at the same time: no second round
        pauses.append(hosts.paused_for(HOST))
        clock.now += pauses[-1]
    assert pauses == [0.25, 0.5, 1, 2]
    hosts.answered(HOST, "c")
    hosts.pause(HOST, "a", 0)
    assert hosts.paused_for(HOST) == 0.25


def test_one_url_is_not_waited_for_for_ever(hosts: HostStates, clock: Clock) -> None:
    rounds = 0
    while hosts.pause(HOST, "always refused", 60):
        clock.now += 60
        hosts.answered(HOST, "another")  # the others are served
        rounds += 1
    assert rounds == 10
    assert hosts.pause(HOST, "another", 60)


def test_a_url_that_was_served_begins_anew(hosts: HostStates, clock: Clock) -> None:
    for _ in range(20):
        assert hosts.pause(HOST, "a", 60)
        clock.now += 60
        hosts.answered(HOST, "a")


def test_appointments_follow_one_another_at_about_the_hosts_rate(hosts: HostStates, clock: Clock) -> None:
    for _ in range(10):  # one answer in two seconds
        hosts.pause(HOST, "a", 2)
        clock.now += 2
        hosts.answered(HOST, "a")
    for n in range(200):
        hosts.pause(HOST, f"photo {n}", 2)
    given = [hosts.postpone(HOST) for _ in range(200)]
    assert isinstance(given[0], Postponed)
    assert (given[0].code, given[0].permanent) == ("host_paused", False)
    times = [each.retry_in_s for each in given]
    assert times[0] == 2
    assert times == sorted(times)
    assert times[9] == pytest.approx(2 + 9, abs=1.5)
    assert times[-1] <= 2 + 60


def test_coming_back_again_and_again_does_not_leave_the_host_idle(hosts: HostStates, clock: Clock) -> None:
    """Four URLs are left; each was put off a hundred times. The host asked for two seconds, not for a minute."""
    for _ in range(30):
        hosts.pause(HOST, "a", 2)
        clock.now += 2
        hosts.answered(HOST, "a")
    for n in range(4):
        hosts.pause(HOST, f"photo {n}", 2)
    assert max(hosts.postpone(HOST).retry_in_s for _ in range(400)) < 2 + 5


def test_an_appointment_is_never_before_the_end_of_the_pause(hosts: HostStates, clock: Clock) -> None:
    hosts.pause(HOST, "a", 5)
    for _ in range(50):
        hosts.postpone(HOST)
    hosts.pause(HOST, "a", 300)
    assert hosts.postpone(HOST).retry_in_s == 300


# Silence


def test_silences_in_a_row_make_a_host_unresponsive(hosts: HostStates, clock: Clock) -> None:
    assert fall_silent(hosts, clock, 3) == [False] * 3
    assert not hosts.unresponsive(HOST)
    assert hosts.silence(HOST, "one more", clock.now - 30, connected=True)
    assert hosts.unresponsive(HOST)
    assert not hosts.start(HOST)
    assert not hosts.unresponsive(OTHER)
    assert hosts.start(OTHER)


def test_what_answers_in_between_never_trips_it(hosts: HostStates, clock: Clock) -> None:
    for _ in range(20):
        assert not any(fall_silent(hosts, clock, 3))
        hosts.heard(HOST)


def test_a_slow_host_that_answers_somebody_meanwhile_is_alive(hosts: HostStates, clock: Clock) -> None:
    """Sixteen at a time, and it serves one in five seconds: the last ones time out together."""
    started = clock.now
    for _ in range(5):
        clock.now += 5
        hosts.heard(HOST)
    clock.now += 5
    assert not any(hosts.silence(HOST, f"url {n}", started, connected=True) for n in range(10))


def test_one_slow_url_does_not_condemn_its_host(hosts: HostStates, clock: Clock) -> None:
    for _ in range(16):
        assert not hosts.silence(HOST, "https://photos.example/slow", clock.now - 30, connected=True)
    for _ in range(16):
        hosts.silence(HOST, "https://photos.example/slow", clock.now - 30, connected=True)
    assert hosts.unresponsive(HOST)  # but a host of which nothing else is ever seen at last


def test_without_a_connection_it_is_the_host_not_the_url(hosts: HostStates, clock: Clock) -> None:
    for _ in range(4):
        hosts.silence(HOST, "https://photos.example/same", clock.now - 5, connected=False)
    assert hosts.unresponsive(HOST)


def test_one_probe_at_a_time_finds_out(hosts: HostStates, clock: Clock) -> None:
    fall_silent(hosts, clock, 16)  # those that were under way together do not put the probe off
    clock.now += 4.9
    assert not hosts.start(HOST)
    clock.now += 0.1
    assert not hosts.unresponsive(HOST)
    assert hosts.start(HOST)
    probing = clock.now
    assert not hosts.start(HOST)
    assert hosts.unresponsive(HOST)
    clock.now += 30
    assert hosts.silence(HOST, "probe", probing, connected=True)
    waits = []
    for _ in range(5):
        asked = clock.now
        while not hosts.start(HOST):
            clock.now += 1
        waits.append(clock.now - asked)
        began = clock.now
        clock.now += 30
        hosts.silence(HOST, "probe", began, connected=True)
    assert waits == [10, 20, 40, 60, 60]
    clock.now += 60
    assert hosts.start(HOST)
    hosts.heard(HOST)
    assert hosts.start(HOST)
    assert not hosts.unresponsive(HOST)


def test_a_probe_that_is_refused_quickly_ends_it(hosts: HostStates, clock: Clock) -> None:
    fall_silent(hosts, clock, 4)
    clock.now += 5
    assert hosts.start(HOST)
    hosts.failed(HOST, ours=False)
    assert not hosts.unresponsive(HOST)


def test_a_probe_that_came_to_nothing_is_made_again(hosts: HostStates, clock: Clock) -> None:
    fall_silent(hosts, clock, 4)
    clock.now += 5
    assert hosts.start(HOST)
    hosts.failed(HOST, ours=True)
    assert hosts.start(HOST)
    assert not hosts.start(HOST)
    clock.now += 300  # nobody has heard of it again
    assert hosts.start(HOST)


def test_old_silences_are_forgotten(hosts: HostStates, clock: Clock) -> None:
    fall_silent(hosts, clock, 3)
    clock.now += 700
    assert fall_silent(hosts, clock, 3) == [False] * 3


def test_what_hinders_a_url(hosts: HostStates, clock: Clock) -> None:
    url = " HTTPS://Photos.example/a b.jpg"
    assert hosts.hindrance(url) is None
    hosts.pause(HOST, "a", 9)
    found = hosts.hindrance(url)
    assert isinstance(found, Postponed)
    assert found.retry_in_s == 9
    clock.now += 9
    assert hosts.hindrance(url) is None
    fall_silent(hosts, clock, 4)
    found = hosts.hindrance(url)
    assert found is not None
    assert (found.code, found.permanent) == ("host_unresponsive", False)
    assert hosts.hindrance("nonsense") is None
    assert hosts.hindrance("https://other.example/") is None


def test_the_memory_is_bounded(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.outbound.http.hosts._MOST_HOSTS", 100)
    hosts = HostStates(clock=clock)
    for number in range(1000):
        hosts.pause((f"{number}.example", 80), "a", 5)
        hosts.heard((f"{number}.example", 80))
    assert len(hosts._hosts) <= 100
    assert len(hosts._heard) <= 100
    assert hosts.paused_for(("999.example", 80)) == 5
