"""Opening what a worker process needs when it starts, and closing it when it stops."""

from __future__ import annotations

import os
import socket
import threading
from functools import partial

from core.job_channel import JobChangePublisher
from core.memory_budget import MemoryBudget
from core.outbound.http.client import HttpClient
from core.settings import Settings
from core.storage.thumbnail_store import open_thumbnail_store
from db.engine import Database
from db.uploads import find_upload
from worker.busy import BusyShares
from worker.chunk.context import WorkerContext
from worker.chunk.decoders import Decoders
from worker.chunk.gate import Gate
from worker.chunk.known_bytes import UnderWay
from worker.chunk.leases import Leases
from worker.chunk.thumbnail_maker import ThumbnailMaker
from worker.chunk.waiting_chunks import WaitingChunks
from worker.inference.in_flight import InFlight
from worker.inference.repository import ModelRepository
from worker.metrics import Metrics
from worker.sources.registry import open_sources

TEXT_CHUNKS = 2  # bulk chunks of texts in hand: one is prepared and predicted while the other is claimed or stored


def open_worker(settings: Settings, metrics: Metrics | None = None) -> WorkerContext:
    """Load the models and start the heartbeat; after this the worker may claim chunks.

    Args:
        settings: of this process.
        metrics: to count with; those of the process unless given.

    Raises:
        ArtefactError: a default model cannot serve.
    """
    metrics = metrics or Metrics()
    pool_size = settings.worker_concurrency + settings.interactive_slots + 6
    database = Database(settings.sql_url, pool_size=pool_size, job_news=JobChangePublisher(settings))
    decode_threads = settings.decode_threads or os.cpu_count() or 1
    metrics.busy.expect("decode", decode_threads)
    in_flight = InFlight(partial(_count_lanes, metrics.busy))
    models = ModelRepository(settings, metrics, in_flight)
    models.load_defaults()
    http = HttpClient(settings, busy=partial(metrics.busy.level, "fetch"))
    memory = MemoryBudget(settings.fetch_memory_bytes, max(settings.fetch_max_bytes, settings.max_upload_bytes))
    metrics.undecoded.set_function(lambda: memory.held)

    def resolve_upload(tenant_id: str, upload_id: str) -> str | None:
        with database.read() as session:
            return find_upload(session, tenant_id, upload_id)

    name = settings.worker_name or f"{socket.gethostname()}-{os.getpid()}"
    leases = Leases(database, settings, name, models.announced, metrics.finished)
    leases.start(take_back=bool(settings.worker_name))
    return WorkerContext(
        settings=settings,
        database=database,
        leases=leases,
        http=http,
        sources=open_sources(settings, http, resolve_upload),
        decoders=Decoders(decode_threads),
        thumbnails=ThumbnailMaker(open_thumbnail_store(settings), metrics),
        models=models,
        metrics=metrics,
        in_flight=in_flight,
        gate=Gate(),
        waiting=WaitingChunks(settings.waiting_chunks),
        text_slots=threading.Semaphore(TEXT_CHUNKS),
        memory=memory,
        under_way=UnderWay(),
        runs=set(),
        stopping=threading.Event(),
    )


def _count_lanes(busy: BusyShares, what: str, by: int) -> None:
    if what != "decode":  # which counts itself, without texts
        busy.change("infer", by, what)


def close_worker(context: WorkerContext) -> None:
    """Stop the stages of the pipeline in their order, the first one first."""
    context.stopping.set()
    context.waiting.close()
    context.http.close()
    context.sources.close()
    context.decoders.close()
    context.thumbnails.close()
    context.models.close()
    context.leases.stop()
    context.database.close()
