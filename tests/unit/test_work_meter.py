"""How long a worker is busy with each kind of work."""

from __future__ import annotations

from db.throughput import Pace
from worker.chunk.work_meter import WorkMeter


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def take(meter: WorkMeter) -> list[Pace]:
    """What has been counted since it was last taken."""
    paces = meter.counted()
    meter.told(paces)
    return paces


def test_chunks_in_hand_share_the_time() -> None:
    """Fails if overlapping chunks count the same second twice, or idle time counts."""
    clock = Clock()
    meter = WorkMeter(clock)
    clock.now += 50
    meter.begin(1, "classify bulk", 16)
    clock.now += 2
    meter.begin(2, "caption bulk", 8)
    clock.now += 4
    meter.succeeded(1, 30)
    meter.succeeded(1, 34)
    meter.end(1)
    assert take(meter) == [Pace("classify bulk", 64, 4000)]
    clock.now += 1
    meter.succeeded(2, 8)
    meter.end(2)
    clock.now += 50
    assert take(meter) == [Pace("caption bulk", 8, 3000)]
    assert take(meter) == []


def test_a_chunk_that_waits_long_for_its_hosts_does_not_count() -> None:
    """Fails if slow hosts make the next job look slow, or a short wait makes its photos look free."""
    clock = Clock()
    meter = WorkMeter(clock)
    meter.begin(1, "classify bulk", 16)
    meter.begin(2, "classify bulk", 16)
    meter.waits(1)
    meter.waits(2)
    clock.now += 4
    meter.succeeded(2, 16)
    meter.end(2)
    assert take(meter) == [Pace("classify bulk", 16, 2000)]
    clock.now += 30
    meter.begin(3, "classify bulk", 16)
    clock.now += 5
    meter.succeeded(3, 64)
    meter.end(3)
    meter.succeeded(1, 64)
    meter.end(1)
    assert take(meter) == [Pace("classify bulk", 64, 5000)]


def test_only_the_waiting_is_dropped_and_not_the_chunk() -> None:
    """Fails if photos of hosts that take 11 s are never measured, or if the 11 s count as work."""
    clock = Clock()
    meter = WorkMeter(clock)
    meter.begin(1, "classify bulk", 16)
    for _ in range(2):
        clock.now += 1
        meter.waits(1)
        clock.now += 6
        meter.begin(2, "caption bulk", 8)  # whenever anybody looks meanwhile
        meter.end(2)
        meter.waits(1)
        clock.now += 5
        meter.works(1)
        clock.now += 1
        meter.works(1)
        clock.now += 1
        meter.succeeded(1, 32)
    meter.waits(1)
    clock.now += 3
    meter.end(1)
    assert take(meter) == [Pace("classify bulk", 64, 9000)]  # the short wait at the end counts


def test_what_never_reached_a_model_is_no_measure_of_it() -> None:
    """Fails if dead links make the next job look quick, or chunks that were cancelled halfway make it look slow."""
    clock = Clock()
    meter = WorkMeter(clock)
    for chunk, stored in ((1, 0), (2, 1), (3, 31), (4, 32), (5, 64)):
        meter.begin(chunk, "classify bulk", 64)
        clock.now += 2
        meter.succeeded(chunk, stored)
        meter.end(chunk)
    assert take(meter) == [Pace("classify bulk", 96, 4000)]


def test_what_is_not_in_hand_does_no_harm() -> None:
    meter = WorkMeter(Clock())
    meter.waits(7)
    meter.works(7)
    meter.succeeded(7, 1)
    meter.end(7)
    assert take(meter) == []


def test_what_could_not_be_told_is_told_the_next_time() -> None:
    """Fails if a beat that the database refused loses what it would have told, or what ends meanwhile is lost."""
    clock = Clock()
    meter = WorkMeter(clock)
    for chunk in (1, 2):
        meter.begin(chunk, "classify bulk", 16)
        clock.now += 1.5
        meter.succeeded(chunk, 10)
        meter.end(chunk)
        before = meter.counted()
    assert before == [Pace("classify bulk", 20, 3000)]
    meter.begin(3, "classify bulk", 16)
    clock.now += 1
    meter.succeeded(3, 9)
    meter.end(3)
    meter.told(before)
    assert meter.counted() == [Pace("classify bulk", 9, 1000)]
