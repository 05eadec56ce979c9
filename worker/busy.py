"""How busy each stage of a worker is: the one that always is holds up the others."""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Callable, Iterator
from time import monotonic

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

Stage = tuple[str, str]  # fetch, decode, infer or store; the model's NAME@VERSION for infer

WINDOW_S = 30.0
_EACH_S = 1.0  # a note of the past is made no more often


class BusyShares(Collector):
    """What part of its capacity each stage uses. Safe to share between threads.

    A stage that counts its threads is as busy as many of them are; one that does not is busy while anything runs.
    """

    def __init__(self, registry: CollectorRegistry, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._capacity: dict[Stage, int] = {}
        self._running: Counter[Stage] = Counter()
        self._stages: dict[Stage, _Share] = {}
        registry.register(self)

    def expect(self, stage: str, capacity: int) -> None:
        """Say how many can be at a stage at a time."""
        self._capacity[stage, ""] = capacity

    def change(self, stage: str, by: int, model: str = "") -> None:
        """One more, or one less, is at a stage."""
        key = stage, model
        with self._lock:
            self._running[key] += by
            self._share(key).set(min(1.0, self._running[key] / self._capacity.get(key, 1)), self._clock())

    def level(self, stage: str, share: float) -> None:
        """A stage that knows its own share, from 0 to 1, tells it."""
        with self._lock:
            self._share((stage, "")).set(share, self._clock())

    def collect(self) -> Iterator[GaugeMetricFamily | CounterMetricFamily]:
        labels = ["stage", "model"]
        text = "Part of a stage's capacity that was in use"
        share = GaugeMetricFamily("tagline_busy_share", f"{text} in the last half minute.", labels=labels)
        seconds = CounterMetricFamily("tagline_busy_seconds", f"{text}, in seconds of all of it.", labels=labels)
        with self._lock:
            now = self._clock()
            for key, each in self._stages.items():
                share.add_metric(key, each.recent(now))
                seconds.add_metric(key, each.seconds(now))
        yield from (share, seconds)

    def _share(self, key: Stage) -> _Share:
        if key not in self._stages:
            self._stages[key] = _Share(self._clock())
        return self._stages[key]


class _Share:
    """The share of one stage, added up over time."""

    def __init__(self, now: float) -> None:
        self._level = 0.0
        self._since = now
        self._seconds = 0.0
        self._past: deque[tuple[float, float]] = deque([(now, 0.0)])  # seconds at moments, the latest in the window

    def set(self, level: float, now: float) -> None:
        self._seconds, self._since, self._level = self.seconds(now), now, level
        if now - self._past[-1][0] >= _EACH_S:
            self._past.append((now, self._seconds))
            while len(self._past) > 1 and self._past[1][0] <= now - WINDOW_S:
                self._past.popleft()

    def seconds(self, now: float) -> float:
        return self._seconds + self._level * (now - self._since)

    def recent(self, now: float) -> float:
        self.set(self._level, now)
        began, before = self._past[0]
        return min(1.0, (self._seconds - before) / (now - began)) if now > began else self._level
