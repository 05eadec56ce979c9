"""A ring wakes the threads of its queue, and a ring for all of them wakes all."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from core.broker import Doorbell
from core.settings import load_settings
from tests.support.waiting import until
from worker import rung_threads
from worker.rung_threads import Rung, RungThreads


@pytest.fixture
def looks(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Doorbell, dict[str, int]]]:
    """A bell, and how often each of three threads has looked for work."""
    monkeypatch.setattr(rung_threads, "POLL_S", 3600.0)  # only rings wake
    counts, lock = {"photos": 0, "texts": 0, "libraries": 0}, threading.Lock()

    def look(name: str) -> None:
        with lock:
            counts[name] += 1

    def work(name: str, *queues: str) -> Rung:
        return Rung(lambda: look(name), queues)

    settings = load_settings(redis_url=redis_url)
    threads = RungThreads(
        settings,
        {"photos": work("photos", "image", "text"), "texts": work("texts", "text"), "libraries": work("libraries")},
        "nothing",
    )
    bell = Doorbell(settings)
    until(lambda: min(counts.values()) == 1, what="a look by all, since the bell can be heard")
    yield bell, counts
    bell.close()
    threads.close()


def test_a_ring_wakes_those_of_its_queue(looks: tuple[Doorbell, dict[str, int]]) -> None:
    bell, counts = looks
    assert bell.ring("text", 1)
    until(lambda: counts == {"photos": 2, "texts": 2, "libraries": 1}, what="a look at texts")
    assert bell.ring("image", 1)
    until(lambda: counts["photos"] == 3, what="a look at photos")
    assert bell.wake()
    until(lambda: counts == {"photos": 4, "texts": 3, "libraries": 2}, what="a look by all")
