"""The inference lane: items of many chunks wait here and leave in model batches."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any

from core.errors import ItemError, TaglineError
from worker.inference.fair_queue import FairQueue, QueuedItem
from worker.inference.in_flight import InFlight, ItemKey

log = logging.getLogger(__name__)

LINGER_S = 0.005
NO_ITEM: ItemKey = (0, 0)
# What runtimes say when memory is short; none has a type of its own for it.
OUT_OF_MEMORY = (
    "out of memory",
    "bad alloc",
    "bad_alloc",
    "oom when allocating",
    "resource_exhausted",
    "cannot allocate",
)


class Lane:
    """Feeds one model on one device.

    Args:
        predict: raw results for a list of prepared items; as many, in the same order.
        batch_size: most items in a batch; less once a batch has run out of memory.
        streams: batches in flight at a time, each on a thread of its own.
        name: the model's.
        in_flight: told what runs.
        observe: told (items, seconds) of every batch that succeeded.
    """

    def __init__(
        self,
        predict: Callable[[Sequence[Any]], Sequence[Any]],
        *,
        batch_size: int,
        streams: int,
        name: str,
        in_flight: InFlight | None = None,
        observe: Callable[[int, float], None] = lambda items, seconds: None,
    ) -> None:
        self._predict = predict
        self._batch_size = batch_size
        self._observe = observe
        self._name = name
        self._in_flight = in_flight or InFlight()
        self._queue = FairQueue()
        self._changed = threading.Condition()
        self._closed = False
        self._threads = [
            threading.Thread(target=self._serve, name=f"lane-{name}-{n}", daemon=True) for n in range(streams)
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, item: Any, priority: int, tenant: str = "", key: ItemKey = NO_ITEM) -> Future[Any]:
        """Queue one prepared item; the future holds its raw result, or the ItemError that is its own fault.

        A future that was cancelled before its batch left costs nothing.

        Args:
            item: what `predict` takes.
            priority: lower is sooner.
            tenant: among equals tenants take turns.
            key: chunk id and seq of the item, named if the model hangs on it.
        """
        result: Future[Any] = Future()
        with self._changed:
            if self._closed:
                raise _stopping()
            self._queue.put(item, priority, tenant, key, result)
            self._changed.notify()
        return result

    def close(self) -> None:
        """Stop after the batches in flight; whatever still waits fails with `worker_stopping`."""
        with self._changed:
            self._closed = True
            left = self._queue.drain()
            self._changed.notify_all()
        for waiting in left:
            if waiting.result.set_running_or_notify_cancel():
                waiting.result.set_exception(_stopping())
        for thread in self._threads:
            thread.join(timeout=10)

    def _serve(self) -> None:
        while (batch := self._next_batch()) is not None:
            # Cancelled items are dropped here, before they cost anything.
            live = [waiting for waiting in batch if waiting.result.set_running_or_notify_cancel()]
            if live:
                self._run(live)

    def _next_batch(self) -> list[QueuedItem] | None:
        with self._changed:
            while not self._queue:
                if self._closed:
                    return None
                self._changed.wait()
            if len(self._queue) < self._batch_size:
                # The items that would fill the batch are usually being decoded right now.
                self._changed.wait(LINGER_S)
            return self._queue.take(self._batch_size)

    def _run(self, batch: list[QueuedItem]) -> None:
        """Run a batch; if it raises, halve it until the item that makes it fail is alone."""
        try:
            results = self._predict_watched(batch)
        except Exception as error:
            self._isolate(batch, error)
            return
        for waiting, result in zip(batch, results, strict=True):
            waiting.result.set_result(result)

    def _predict_watched(self, batch: list[QueuedItem]) -> Sequence[Any]:
        started = time.monotonic()
        with self._in_flight.track(self._name, [waiting.key for waiting in batch]):
            results = self._predict([waiting.item for waiting in batch])
        if len(results) != len(batch):
            raise TaglineError("length_mismatch", f"{self._name}: {len(results)} results for {len(batch)} items")
        self._observe(len(batch), time.monotonic() - started)
        return results

    def _isolate(self, batch: list[QueuedItem], error: Exception) -> None:
        if len(batch) > 1:
            half = len(batch) // 2
            if is_out_of_memory(error):
                self._shrink(len(batch) - half)
            self._run(batch[:half])
            self._run(batch[half:])
        elif isinstance(error, ItemError):  # the request is at fault, not the model
            batch[0].result.set_exception(error)
        else:
            self._run_again(batch[0])

    def _run_again(self, waiting: QueuedItem) -> None:
        """Try once more, alone: an item that fails twice alone is itself the reason, unless memory was short."""
        try:
            waiting.result.set_result(self._predict_watched([waiting])[0])
        except ItemError as error:
            waiting.result.set_exception(error)
        except Exception as error:
            log.error("the model fails on a single item", exc_info=error, extra={"model": self._name})
            if is_out_of_memory(error):
                message = "There was not enough memory to run the model; try again later, or with a larger worker."
                waiting.result.set_exception(ItemError("worker_resources", message, permanent=False))
            else:
                waiting.result.set_exception(ItemError("inference_failed", _reason(error)))

    def _shrink(self, size: int) -> None:
        with self._changed:
            if size < self._batch_size:
                self._batch_size = size
                log.warning("out of memory; smaller batches from now on", extra={"model": self._name, "batch": size})


def is_out_of_memory(error: BaseException) -> bool:
    """Whether a model failed for want of memory, on whatever device."""
    return isinstance(error, MemoryError) or any(sign in str(error).lower() for sign in OUT_OF_MEMORY)


def _reason(error: Exception) -> str:
    """For the result. The library's own message may name files of this machine and is only logged."""
    return f"The model fails on this input, also alone ({type(error).__name__}); the worker's log says why."


def _stopping() -> ItemError:
    return ItemError("worker_stopping", "The worker is stopping.", permanent=False)
