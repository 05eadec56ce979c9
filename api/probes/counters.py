"""What the API counts about itself."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector  # type: ignore[no-untyped-call, unused-ignore]

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


class ApiMetrics:
    """Requests by route and status; with a registry of its own, so that one process can hold two applications."""

    def __init__(self) -> None:
        self._own = CollectorRegistry()
        labels = ("method", "route", "status")
        self.requests = Counter("tagline_http_requests", "Requests answered.", labels, registry=self._own)
        self.seconds = Histogram(
            "tagline_http_request_seconds", "Time to the answer's head.", labels[:2], registry=self._own,
            buckets=BUCKETS,
        )  # fmt: skip
        self.inputs = Counter("tagline_inputs_accepted", "Inputs of accepted jobs.", ("priority",), registry=self._own)

    def render(self) -> bytes:
        """These counters; with PROMETHEUS_MULTIPROC_DIR set, those of every process that writes there."""
        registry = CollectorRegistry()
        try:
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        except ValueError:  # the variable is not set
            registry = self._own
        return generate_latest(registry)
