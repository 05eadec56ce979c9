"""The API's own metrics, and those of its peer processes."""

from __future__ import annotations

import http.client
import logging
from collections.abc import Callable, Iterator, Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
PEER_TIMEOUT_S = 1.0
PEER_MAX_BYTES = 4 * 1024 * 1024
log = logging.getLogger(__name__)


class ApiMetrics:
    """Requests by route and status; with a registry of its own, so that one process can hold two applications.

    Counters live in memory, here and in the other processes. Files shared by processes would be mapped into memory,
    and a full disk would then kill a process that counts (decision 0092).

    Args:
        peers: host:port of the other processes' own /metrics.
        waiting: how many long polls and event streams there are.
    """

    def __init__(self, peers: Sequence[str] = (), waiting: Callable[[], int] = lambda: 0) -> None:
        self._own = CollectorRegistry()
        self._peers = tuple(peers)
        labels = ("method", "route", "status")
        self.requests = Counter("tagline_http_requests", "Requests answered.", labels, registry=self._own)
        self.seconds = Histogram(
            "tagline_http_request_seconds", "Time to the answer's head.", labels[:2], registry=self._own,
            buckets=BUCKETS,
        )  # fmt: skip
        self.inputs = Counter("tagline_inputs_accepted", "Inputs of accepted jobs.", ("priority",), registry=self._own)
        self.waiting = Gauge("tagline_http_waiting", "Long polls and event streams that wait.", registry=self._own)
        self.waiting.set_function(waiting)
        self._peer_up = Gauge(
            "tagline_metrics_peer_up", "Whether a process beside the API gave its metrics.", ("peer",),
            registry=self._own,
        )  # fmt: skip

    def render(self) -> bytes:
        """These counters, and those of the peers that answer."""
        shown = b"".join(self._peer(peer) for peer in self._peers)
        return generate_latest(self._own) + shown

    def _peer(self, peer: str) -> bytes:
        try:
            text = _fetch(peer)
            found = b"".join(_tagline_lines(text))
        except (OSError, http.client.HTTPException, ValueError) as error:
            log.warning("no metrics from %s: %s", peer, error)
            found = b""
        self._peer_up.labels(peer).set(bool(found))
        return found


def _fetch(peer: str) -> bytes:
    host, _, port = peer.rpartition(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=PEER_TIMEOUT_S)
    try:
        connection.request("GET", "/metrics")
        answer = connection.getresponse()
        if answer.status != 200:
            raise ValueError(f"it answered {answer.status}")
        return answer.read(PEER_MAX_BYTES)
    finally:
        connection.close()


def _tagline_lines(text: bytes) -> Iterator[bytes]:
    """The lines about our own metrics: those about Python and the process would appear once for each peer."""
    for line in text.splitlines(keepends=True):
        words = line.split(None, 3)
        name = words[2] if line.startswith(b"#") and len(words) > 2 else line
        if name.startswith(b"tagline_"):
            yield line
