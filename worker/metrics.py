"""What a worker counts, for Prometheus."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram

from core.states import ItemState
from worker.busy import BusyShares

SECONDS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100)
FILLS = (1, 2, 4, 8, 12, 16, 24, 32, 64, 128)


class Metrics:
    """The instruments; made once for each process."""

    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        self.items = Counter("tagline_items", "Items finished, by outcome.", ["outcome"], registry=registry)
        self.item_errors = Counter("tagline_item_errors", "Failed items, by code.", ["code"], registry=registry)
        self.chunks = Counter("tagline_chunks", "Chunks, by what became of them.", ["outcome"], registry=registry)
        self.thumbnails = Counter(
            "tagline_thumbnails", "Thumbnails, by what became of them.", ["outcome"], registry=registry
        )
        self.lease_losses = Counter("tagline_lease_losses", "Chunks lost to another worker.", registry=registry)
        self.busy = BusyShares(registry)
        self.undecoded = Gauge("tagline_undecoded_bytes", "Undecoded photos in memory, in bytes.", registry=registry)
        self.stage = Histogram(
            "tagline_stage_seconds",
            "Seconds an item (fetch, decode, thumbnail) or a chunk (store) spends in a stage.",
            ["stage"],
            buckets=SECONDS,
            registry=registry,
        )
        self.infer = Histogram(
            "tagline_infer_seconds",
            "Seconds of a model batch.",
            ["model", "variant"],
            buckets=SECONDS,
            registry=registry,
        )
        self.batch_items = Histogram(
            "tagline_batch_items", "Items in a model batch.", ["model"], buckets=FILLS, registry=registry
        )

    def finished(self) -> tuple[int, int]:
        """Items that succeeded and items that failed since the process began."""
        by_outcome = {
            sample.labels["outcome"]: int(sample.value)
            for family in self.items.collect()
            for sample in family.samples
            if sample.name.endswith("_total")
        }
        return by_outcome.get(ItemState.SUCCEEDED, 0), by_outcome.get(ItemState.FAILED, 0)

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Measure a block as a stage."""
        started = monotonic()
        self.busy.change(stage, 1)
        try:
            yield
        finally:
            self.busy.change(stage, -1)
            self.stage.labels(stage).observe(monotonic() - started)
