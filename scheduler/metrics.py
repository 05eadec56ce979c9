"""What the scheduler counts, for Prometheus."""

from __future__ import annotations

from prometheus_client import REGISTRY, CollectorRegistry, Counter


class SchedulerMetrics:
    """The instruments; made once for each process."""

    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        self.reaped = Counter("tagline_leases_reaped", "Chunks taken back from silent workers.", registry=registry)
        self.deliveries = Counter(
            "tagline_webhook_attempts", "Webhook attempts, by outcome.", ["outcome"], registry=registry
        )
