"""How long a worker is busy with each kind of work."""

from __future__ import annotations

from db.throughput import Pace
from worker.chunk.work_meter import WorkMeter


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_chunks_in_hand_share_the_time() -> None:
    """Fails if overlapping chunks count the same second twice, or idle time counts."""
    clock = Clock()
    meter = WorkMeter(clock)
    clock.now += 50
    meter.begin(1, "classify bulk")
    clock.now += 2
    meter.begin(2, "caption bulk")
    clock.now += 4
    meter.finished(1, 30)
    meter.finished(1, 34)
    meter.end(1)
    assert meter.take() == [Pace("classify bulk", 64, 4000)]
    clock.now += 1
    meter.finished(2, 8)
    meter.end(2)
    clock.now += 50
    assert meter.take() == [Pace("caption bulk", 8, 3000)]
    assert meter.take() == []


def test_a_chunk_that_waits_long_for_its_hosts_does_not_count() -> None:
    """Fails if slow hosts make the next job look slow, or a short wait makes its photos look free."""
    clock = Clock()
    meter = WorkMeter(clock)
    meter.begin(1, "classify bulk")
    meter.begin(2, "classify bulk")
    meter.waits(1)
    meter.waits(2)
    clock.now += 4
    meter.finished(2, 16)
    meter.end(2)
    assert meter.take() == [Pace("classify bulk", 16, 2000)]
    clock.now += 30
    meter.begin(3, "classify bulk")
    clock.now += 5
    meter.finished(3, 64)
    meter.end(3)
    meter.finished(1, 64)
    meter.end(1)
    assert meter.take() == [Pace("classify bulk", 64, 5000)]


def test_what_is_not_in_hand_does_no_harm() -> None:
    meter = WorkMeter(Clock())
    meter.waits(7)
    meter.finished(7, 1)
    meter.end(7)
    assert meter.take() == []
