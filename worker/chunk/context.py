"""What a chunk is worked on with: everything that a worker process has."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.outbound.http.client import HttpClient
from core.settings import Settings
from db.engine import Database
from worker.chunk.decoders import Decoders
from worker.chunk.gate import Gate
from worker.chunk.leases import Leases
from worker.chunk.waiting_chunks import WaitingChunks
from worker.inference.in_flight import InFlight
from worker.inference.repository import ModelRepository
from worker.metrics import Metrics
from worker.sources.registry import Sources

if TYPE_CHECKING:  # a chunk under way has the context
    from worker.chunk.run import ChunkRun


@dataclass(frozen=True, slots=True)
class WorkerContext:
    """The tools that a chunk is worked on with."""

    settings: Settings
    database: Database
    leases: Leases
    http: HttpClient
    sources: Sources
    decoders: Decoders
    models: ModelRepository
    metrics: Metrics
    in_flight: InFlight
    gate: Gate
    waiting: WaitingChunks
    runs: set[ChunkRun]  # in hand, whoever drives them
    stopping: threading.Event
