"""What a chunk needs to be run: everything that a worker process opens once."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.memory_budget import MemoryBudget
from core.outbound.http.client import HttpClient
from core.settings import Settings
from db.engine import Database
from worker.chunk.decoders import Decoders
from worker.chunk.gate import Gate
from worker.chunk.known_bytes import UnderWay
from worker.chunk.leases import Leases
from worker.chunk.thumbnail_maker import ThumbnailMaker
from worker.chunk.waiting_chunks import WaitingChunks
from worker.inference.in_flight import InFlight
from worker.inference.repository import ModelRepository
from worker.metrics import Metrics
from worker.sources.registry import Sources

if TYPE_CHECKING:  # a chunk under way has the context
    from worker.chunk.run import ChunkRun


@dataclass(frozen=True, slots=True)
class WorkerContext:
    """What chunks are run with. Safe to share between threads.

    Attributes:
        text_slots: for the bulk chunks of texts in hand.
        memory: what undecoded photos may take in memory.
        under_way: photos that are run now, by their bytes: the same ones need not run twice.
        runs: the chunks in hand, whichever thread drives them.
        stopping: set when the worker is to stop.
    """

    settings: Settings
    database: Database
    leases: Leases
    http: HttpClient
    sources: Sources
    decoders: Decoders
    thumbnails: ThumbnailMaker
    models: ModelRepository
    metrics: Metrics
    in_flight: InFlight
    gate: Gate
    waiting: WaitingChunks
    text_slots: threading.Semaphore
    memory: MemoryBudget
    under_way: UnderWay
    runs: set[ChunkRun]
    stopping: threading.Event
