"""The way of one chunk: claim, fetch, decode, infer, store. A text needs no fetching and is prepared where images are
decoded.

A worker has several chunks in hand on as many threads, so while the model runs a batch of one, the images of the
next are decoded and those of a third are fetched.
"""

from __future__ import annotations

import hashlib
import logging
import threading
from collections.abc import Mapping
from concurrent.futures import CancelledError, Future, wait
from dataclasses import dataclass
from time import monotonic
from typing import Any, cast

import structlog

from core.errors import ArtefactError, ItemError, LeaseLost, TaglineError
from core.imaging import ImageSpec, decode_image
from core.inputs import InputItem, ItemResult
from db.claims import Claim, mark_alone, release_chunk
from db.store import store_results
from worker.models.base import Query, TextModel
from worker.warm import WarmModel, model_unavailable
from worker.workshop import Workshop

log = logging.getLogger(__name__)

CHUNK_TIMEOUT_S = 900.0  # no stage may take this long; if one does, its items fail instead of hanging for ever
DRAIN_S = 6.0  # a worker that is asked to stop finishes what it can within this time
POLL_S = 0.25


class Interrupted(Exception):
    """The chunk is not going to be finished here: it was lost, or the worker stops."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A decoded image, or a text, whose inference is under way."""

    media: dict[str, Any] | None
    raw: Mapping[str, Future[Any]]  # by task


def run_batch(shop: Workshop, queue: str) -> bool:
    """Work on one chunk of a queue; False if none waited."""
    with shop.leases.claim(queue) as claim:
        if claim is None:
            return False
        ids = {"job": claim.job_id, "chunk": claim.chunk_id, "attempt": claim.attempts}
        with structlog.contextvars.bound_contextvars(**ids):
            try:
                _work(shop, claim)
            except Interrupted:
                with shop.database.write() as session:
                    release_chunk(session, claim)
                shop.metrics.chunks.labels("released").inc()
            except LeaseLost:
                shop.metrics.lease_losses.inc()
                shop.metrics.chunks.labels("lost").inc()
                log.warning("lost the chunk; its results are dropped")
    return True


def _work(shop: Workshop, claim: Claim) -> None:
    # Workers died with this chunk in hand. Run with nothing beside it, so that no innocent neighbour is blamed.
    suspect = claim.attempts >= shop.settings.max_attempts
    with shop.gate.pass_through(alone=suspect):
        if suspect:
            if shop.stopping.is_set():
                raise Interrupted
            with shop.database.write() as session:
                mark_alone(session, claim)
        _store(shop, claim, _process(shop, claim))


def _process(shop: Workshop, claim: Claim) -> list[ItemResult]:
    try:
        warm = {task: shop.models.get(task, claim.models.get(task)) for task in claim.tasks}
    except ArtefactError as error:
        failure = model_unavailable(error)
        return [ItemResult(item, error=failure) for item in claim.items]
    watch = Watch(shop, claim)
    under_way = [
        _start_text(shop, claim, warm, item) if item.kind == "text" else _start_image(shop, claim, warm, item, watch)
        for item in claim.items
    ]
    return [_collect(claim, warm, item, future, watch) for item, future in zip(claim.items, under_way, strict=True)]


class Watch:
    """Waits for a chunk's futures, and gives up when the chunk is lost, the worker stops or time is up."""

    def __init__(self, shop: Workshop, claim: Claim) -> None:
        self._shop = shop
        self._claim = claim
        self._deadline = monotonic() + CHUNK_TIMEOUT_S
        self._drained: float | None = None
        self.window = threading.BoundedSemaphore(shop.settings.chunk_window)

    @property
    def stopping(self) -> bool:
        """Whether the worker was asked to stop."""
        return self._shop.stopping.is_set()

    def check(self) -> None:
        """Raises whatever speaks against going on."""
        if self._shop.leases.lost(self._claim):
            raise LeaseLost(self._claim.chunk_id)
        if self.stopping:
            self._drained = self._drained or monotonic() + DRAIN_S
            if monotonic() > self._drained:
                raise Interrupted
        if monotonic() > self._deadline:
            raise ItemError("worker_timeout", "The worker gave up on this item.", permanent=False)

    def enter_window(self) -> None:
        """Wait for a place among the chunk's images in memory."""
        while not self.window.acquire(timeout=POLL_S):
            self.check()

    def result(self, future: Future[Any]) -> Any:
        """What the future holds."""
        while not future.done():
            wait((future,), timeout=POLL_S)
            if not future.done():
                self.check()
        return future.result()


def _start_text(shop: Workshop, claim: Claim, warm: Mapping[str, WarmModel], item: InputItem) -> Future[Prepared]:
    """Set a text on its way: prepared on a decoding thread, then queued for each model."""
    try:
        return shop.decoders.submit(_prepare, claim, warm, item.ref)
    except RuntimeError:  # the worker is shutting down
        stopped: Future[Prepared] = Future()
        stopped.set_exception(ItemError("worker_stopping", "The worker is stopping.", permanent=False))
        return stopped


def _prepare(claim: Claim, warm: Mapping[str, WarmModel], text: str) -> Prepared:
    items = {task: cast(TextModel, one.model).prepare(text) for task, one in warm.items()}
    queries = {task: Query(items[task], claim.options.get(task, {})) for task in warm}
    return Prepared(None, {task: one.lane.submit(queries[task], claim.priority) for task, one in warm.items()})


def _start_image(
    shop: Workshop, claim: Claim, warm: Mapping[str, WarmModel], item: InputItem, watch: Watch
) -> Future[Prepared]:
    """Set an item on its way: fetched, then decoded on a decoding thread, then queued for the model."""
    photo: Future[Prepared] = Future()
    try:
        watch.enter_window()
    except ItemError as error:
        photo.set_exception(error)
        return photo
    started = monotonic()

    def decode(blob: Future[bytes]) -> None:
        try:
            photo.set_result(_decode(shop, claim, warm, blob.result()))
        except Exception as error:
            photo.set_exception(error)
        finally:
            watch.window.release()

    def fetched(blob: Future[bytes]) -> None:
        shop.metrics.stage.labels("fetch").observe(monotonic() - started)
        try:
            shop.decoders.submit(decode, blob)
        except RuntimeError:  # the worker is shutting down
            photo.set_exception(ItemError("worker_stopping", "The worker is stopping.", permanent=False))
            watch.window.release()

    shop.sources.fetch(item.kind, item.ref, claim.tenant_id).add_done_callback(fetched)
    return photo


def _decode(shop: Workshop, claim: Claim, warm: Mapping[str, WarmModel], blob: bytes) -> Prepared:
    media: dict[str, Any] = {"sha256": hashlib.sha256(blob).hexdigest(), "bytes": len(blob)}
    spec = next(iter(warm.values())).model.manifest.preprocessing
    assert isinstance(spec, ImageSpec)
    try:
        with shop.metrics.timed("decode"):
            image = decode_image(blob, spec, shop.settings.image_max_pixels)
    except ItemError as error:
        failed: Future[Any] = Future()
        failed.set_exception(error)
        return Prepared(media, dict.fromkeys(warm, failed))
    queries = {task: Query(image.pixels, claim.options.get(task, {})) for task in warm}
    raw = {task: model.lane.submit(queries[task], claim.priority) for task, model in warm.items()}
    return Prepared({**media, **image.media}, raw)


def _collect(
    claim: Claim, warm: Mapping[str, WarmModel], item: InputItem, future: Future[Prepared], watch: Watch
) -> ItemResult:
    """Wait for an item and say what became of it; a failure belongs to the item."""
    media = None
    try:
        photo = watch.result(future)
        media = photo.media
        outputs = {
            task: warm[task].model.render(watch.result(raw), claim.options.get(task, {}))
            for task, raw in photo.raw.items()
        }
    except (LeaseLost, Interrupted):
        raise
    except ItemError as error:
        if watch.stopping and not error.permanent:
            raise Interrupted from error  # the tools are being put away: not this item's fault
        return ItemResult(item, media=media, error=error)
    except CancelledError as error:
        raise Interrupted from error
    except Exception as error:
        log.exception("an item failed in a way that nobody foresaw", extra={"seq": item.seq})
        code = error.code if isinstance(error, TaglineError) else "internal_error"
        failure = ItemError(code, "Tagline failed on this item; its log says why.", permanent=False)
        return ItemResult(item, media=media, error=failure)
    return ItemResult(item, outputs=outputs, media=media)


def _store(shop: Workshop, claim: Claim, results: list[ItemResult]) -> None:
    with shop.metrics.timed("store"), shop.database.write() as session:
        store_results(session, claim, results)
    shop.metrics.chunks.labels("stored").inc()
    for result in results:
        shop.metrics.items.labels(result.state).inc()
        if result.error:
            shop.metrics.item_errors.labels(result.error.code).inc()
    log.info("chunk stored", extra={"items": len(results), "failed": sum(r.error is not None for r in results)})
