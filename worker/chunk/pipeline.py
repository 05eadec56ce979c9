"""The way of one chunk: claim, fetch, decode, encode, infer, store. A text needs no fetching and is prepared where
images are decoded.

A worker has several chunks in hand on as many threads, so while the model runs a batch of one, the images of the
next are decoded and those of a third are fetched.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass
from time import monotonic
from typing import Any, cast

import structlog

from core.errors import ArtefactError, ItemError, LeaseLost, TaglineError
from core.images.decode import decode_image
from core.inputs import InputItem, ItemResult
from db.claims import Claim, mark_alone, release_chunk
from db.store import store_results
from worker.chunk.watch import Interrupted, Watch
from worker.inference.dispatch import Dispatcher, image_spec
from worker.inference.lanes import ServedModel
from worker.inference.repository import model_unavailable
from worker.models.model import TextModel
from worker.process.context import WorkerContext

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Prepared:
    """A decoded image, or a text, whose inference is under way."""

    media: dict[str, Any] | None
    raw: Mapping[str, Future[Any]]  # by task


def run_batch(context: WorkerContext, queue: str) -> bool:
    """Work on one chunk of a queue; False if none waited."""
    with context.leases.claim(queue) as claim:
        if claim is None:
            return False
        ids = {"job": claim.job_id, "chunk": claim.chunk_id, "attempt": claim.attempts}
        with structlog.contextvars.bound_contextvars(**ids):
            try:
                _work(context, claim)
            except Interrupted:
                with context.database.write() as session:
                    release_chunk(session, claim)
                context.metrics.chunks.labels("released").inc()
            except LeaseLost:
                context.metrics.lease_losses.inc()
                context.metrics.chunks.labels("lost").inc()
                log.warning("lost the chunk; its results are dropped")
    return True


def _work(context: WorkerContext, claim: Claim) -> None:
    # Workers died with this chunk in hand. Run with nothing beside it, so that no innocent neighbour is blamed.
    suspect = claim.attempts >= context.settings.max_attempts
    with context.gate.pass_through(alone=suspect):
        if suspect:
            if context.stopping.is_set():
                raise Interrupted
            with context.database.write() as session:
                mark_alone(session, claim)
        _store(context, claim, _process(context, claim))


def _process(context: WorkerContext, claim: Claim) -> list[ItemResult]:
    try:
        served = {task: context.models.get(task, claim.models.get(task)) for task in claim.tasks}
    except ArtefactError as error:
        failure = model_unavailable(error)
        return [ItemResult(item, error=failure) for item in claim.items]
    watch = Watch(context, claim)
    dispatcher = Dispatcher(claim, served)
    try:
        under_way = [
            _start_text(context, dispatcher, served, item)
            if item.kind == "text"
            else _start_image(context, claim, dispatcher, served, item, watch)
            for item in claim.items
        ]
        return [
            _collect(claim, served, item, future, watch) for item, future in zip(claim.items, under_way, strict=True)
        ]
    finally:
        dispatcher.cancel()  # whatever nobody waits for any more: of a chunk that was lost, of an item that failed


def _start_text(
    context: WorkerContext, dispatcher: Dispatcher, served: Mapping[str, ServedModel], item: InputItem
) -> Future[Prepared]:
    """Set a text on its way: prepared on a decoding thread, then queued for each model."""
    try:
        return context.decoders.submit(_prepare, dispatcher, served, item.ref)
    except RuntimeError:  # the worker is shutting down
        stopped: Future[Prepared] = Future()
        stopped.set_exception(ItemError("worker_stopping", "The worker is stopping.", permanent=False))
        return stopped


def _prepare(dispatcher: Dispatcher, served: Mapping[str, ServedModel], text: str) -> Prepared:
    dispatcher.check()
    items = {task: cast(TextModel, one.model).prepare(text) for task, one in served.items()}
    return Prepared(None, dispatcher.infer_text(items))


def _start_image(
    context: WorkerContext,
    claim: Claim,
    dispatcher: Dispatcher,
    served: Mapping[str, ServedModel],
    item: InputItem,
    watch: Watch,
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
            dispatcher.check()
            photo.set_result(_decode(context, dispatcher, served, blob.result()))
        except Exception as error:
            photo.set_exception(error)
        finally:
            watch.window.release()

    def fetched(blob: Future[bytes]) -> None:
        context.metrics.stage.labels("fetch").observe(monotonic() - started)
        try:
            context.decoders.submit(decode, blob)
        except RuntimeError:  # the worker is shutting down
            photo.set_exception(ItemError("worker_stopping", "The worker is stopping.", permanent=False))
            watch.window.release()

    context.sources.fetch(item.kind, item.ref, claim.tenant_id).add_done_callback(fetched)
    return photo


def _decode(context: WorkerContext, dispatcher: Dispatcher, served: Mapping[str, ServedModel], blob: bytes) -> Prepared:
    media: dict[str, Any] = {"sha256": hashlib.sha256(blob).hexdigest(), "bytes": len(blob)}
    try:
        with context.metrics.timed("decode"):
            specs = {image_spec(one) for one in served.values()}
            images = {spec: decode_image(blob, spec, context.settings.image_max_pixels) for spec in specs}
    except ItemError as error:
        failed: Future[Any] = Future()
        failed.set_exception(error)
        return Prepared(media, dict.fromkeys(served, failed))
    media |= next(iter(images.values())).media
    photo = {spec: image.pixels for spec, image in images.items()}
    return Prepared(media, dispatcher.infer_image(photo))


def _collect(
    claim: Claim, served: Mapping[str, ServedModel], item: InputItem, future: Future[Prepared], watch: Watch
) -> ItemResult:
    """Wait for an item and say what became of it; a failure belongs to the item."""
    media = None
    try:
        photo = watch.result(future)
        media = photo.media
        outputs = {
            task: served[task].model.render(watch.result(raw), claim.options.get(task, {}))
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


def _store(context: WorkerContext, claim: Claim, results: list[ItemResult]) -> None:
    with context.metrics.timed("store"), context.database.write() as session:
        store_results(session, claim, results)
    context.metrics.chunks.labels("stored").inc()
    for result in results:
        context.metrics.items.labels(result.state).inc()
        if result.error:
            context.metrics.item_errors.labels(result.error.code).inc()
    log.info("chunk stored", extra={"items": len(results), "failed": sum(r.error is not None for r in results)})
