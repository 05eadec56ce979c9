"""/metrics: the state of the queue from the database at scrape time, and the counters of the processes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from flask import Response
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from redis.exceptions import RedisError

from api.document.operations import Answer, Operation, describe
from api.http.auth import OpenBlueprint
from api.services import Services, services
from core.states import ChunkState, JobState, Priority
from core.tasks import QUEUES
from db import stats
from db.workers import count_alive

blueprint = OpenBlueprint("metrics", __name__)
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


@blueprint.get("/metrics")
@describe(
    Operation(
        "Metrics for Prometheus",
        "operations",
        {200: Answer("Text exposition format.", bodies={"text/plain": {"type": "string"}})},
        problems=("database_unavailable",),
    )
)
def metrics() -> Response:
    registry = CollectorRegistry()
    registry.register(QueueCollector(services()))
    body = generate_latest(registry) + services().metrics.render()
    return Response(body, content_type=CONTENT_TYPE)


class QueueCollector(Collector):
    """Gauges read from the rows and from the broker."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def collect(self) -> Iterator[GaugeMetricFamily]:
        with self._services.database.read() as session:
            waiting = stats.backlog(session)
            jobs = stats.open_jobs(session)
            deliveries = stats.open_deliveries(session)
            workers = count_alive(session)
        yield from _backlog(waiting)
        open_jobs = {(state,): jobs.get(state, 0) for state in (JobState.QUEUED, JobState.RUNNING)}
        yield _gauge("tagline_open_jobs", "Jobs by state.", ("state",), open_jobs)
        yield _gauge("tagline_open_deliveries", "Webhooks not yet delivered or given up.", (), {(): deliveries})
        yield _gauge("tagline_workers_alive", "Workers seen within 30 seconds.", (), {(): workers})
        yield from self._broker()

    def _broker(self) -> Iterator[GaugeMetricFamily]:
        try:
            lengths = {(queue,): self._services.doorbell.length(queue) for queue in QUEUES}
        except RedisError:
            lengths = {}
        yield _gauge("tagline_broker_up", "Whether the broker answers.", (), {(): int(bool(lengths))})
        yield _gauge("tagline_broker_queue_length", "Messages waiting.", ("queue",), lengths)


def _backlog(waiting: list[stats.Waiting]) -> Iterator[GaugeMetricFamily]:
    labels = ("queue", "priority", "state")
    states = (ChunkState.PENDING, ChunkState.LEASED)
    # An empty queue is a zero, not a gap: an alert on a gap would fire, or stay silent, for the wrong reason.
    items: dict[tuple[str, str, str], float] = {
        (queue, priority.name.lower(), state): 0 for queue in QUEUES for priority in Priority for state in states
    }
    chunks, oldest = dict(items), dict(items)
    for row in waiting:
        key = (row.queue, Priority(row.priority).name.lower(), row.state)
        items[key], chunks[key], oldest[key] = row.items, row.chunks, row.oldest_s
    yield _gauge("tagline_backlog_items", "Items that wait (pending) or are in hand (leased).", labels, items)
    yield _gauge("tagline_backlog_chunks", "The same in chunks.", labels, chunks)
    yield _gauge("tagline_oldest_waiting_seconds", "Age of the oldest chunk.", labels, oldest)


def _gauge(name: str, text: str, labels: tuple[str, ...], values: Mapping[Any, float]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, text, labels=labels)
    for key, value in values.items():
        family.add_metric(key, value)
    return family
