"""Busy shares, on a clock of the test's own."""

from __future__ import annotations

import pytest
from prometheus_client import CollectorRegistry

from core.outbound.http.admission import Admission
from core.states import Priority
from worker.busy import BusyShares
from worker.inference.in_flight import InFlight
from worker.metrics import Metrics


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def share(registry: CollectorRegistry, stage: str, model: str = "") -> float | None:
    return registry.get_sample_value("tagline_busy_share", {"stage": stage, "model": model})


def test_a_share_is_the_part_of_the_capacity_in_the_last_half_minute(clock: Clock) -> None:
    registry = CollectorRegistry()
    busy = BusyShares(registry, clock)
    busy.expect("decode", 4)
    busy.change("decode", 1)
    busy.change("decode", 1)
    clock.now += 10
    busy.change("decode", -1)
    busy.change("decode", -1)
    clock.now += 10
    assert share(registry, "decode") == pytest.approx(0.25)  # half of it, half of the time
    clock.now += 100
    assert share(registry, "decode") == pytest.approx(0, abs=0.05)
    seconds = registry.get_sample_value("tagline_busy_seconds_total", {"stage": "decode", "model": ""})
    assert seconds == pytest.approx(5)


def test_what_has_not_ended_counts(clock: Clock) -> None:
    """A batch that hangs, or a long transfer: it is busy now, not once it is over."""
    registry = CollectorRegistry()
    busy = BusyShares(registry, clock)
    busy.change("infer", 1, "eye@1.0.0")
    busy.change("infer", 1, "eye@1.0.0")
    busy.level("fetch", 0.5)
    clock.now += 300
    assert share(registry, "infer", "eye@1.0.0") == 1
    assert share(registry, "fetch") == 0.5


def test_stages_and_lanes_tell_what_they_run() -> None:
    registry = CollectorRegistry()
    metrics = Metrics(registry)
    told: list[tuple[str, int]] = []
    with pytest.raises(ZeroDivisionError), InFlight(lambda what, by: told.append((what, by))).track("eye", []):
        assert told == [("eye", 1)]
        _ = 1 / 0
    assert told == [("eye", 1), ("eye", -1)]
    with pytest.raises(ZeroDivisionError), metrics.timed("store"):
        _ = 1 / 0
    assert metrics.busy._running["store", ""] == 0


def test_transfers_share_is_of_what_their_hosts_allow() -> None:
    queue: Admission[int] = Admission(8, 2)
    assert queue.share() == 0
    for n in range(5):
        queue.add(("a", 80), n)
    assert queue.share() == 0
    while queue.take():
        pass
    assert queue.share() == 1  # two of two
    assert queue.share(paused=1) == 0.5
    queue.add(("b", 80), 9)
    assert queue.take()
    assert queue.share() == 0.75
    assert queue.hush(Priority.BULK)
    assert queue.share() == 0.5
