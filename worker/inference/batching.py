"""The inference lane: items of many chunks wait here and leave in model batches.

Photos come one by one, each with a future. Texts come many at a time, and one object is told what becomes of all.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any

from core.errors import ItemError, TaglineError
from core.states import Priority
from worker.inference.fair_queue import FairQueue, Outcome, Part
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
    "failed to allocate memory",
    "alloc_failed",
)


class _OfOne:
    """The future of an item that was queued by itself."""

    def __init__(self) -> None:
        self.future: Future[Any] = Future()

    def begin(self) -> bool:
        return self.future.set_running_or_notify_cancel()

    def done(self, first: int, results: Sequence[Any]) -> None:
        self.future.set_result(results[0])

    def fail(self, first: int, last: int, error: Exception) -> None:
        self.future.set_exception(error)


def join_lists(parts: Sequence[Sequence[Any]]) -> list[Any]:
    """The items of several parts of a batch."""
    return [item for part in parts for item in part]


class Lane:
    """Feeds one model on one device.

    Args:
        predict: raw results for a batch of prepared items; as many, in the same order.
        batch_size: most items in a batch; less once a batch has run out of memory.
        streams: batches in flight at a time, each on a thread of its own.
        name: the model's.
        in_flight: told what runs.
        observe: told (items, seconds) of every batch that succeeded.
        join: makes one batch of parts of what was queued; of lists unless given.
        linger: whether a batch that is not full waits a moment for others; not where items come many at a time.
    """

    def __init__(
        self,
        predict: Callable[[Any], Sequence[Any]],
        *,
        batch_size: int,
        streams: int,
        name: str,
        in_flight: InFlight | None = None,
        observe: Callable[[int, float], None] = lambda items, seconds: None,
        join: Callable[[Sequence[Any]], Any] = join_lists,
        linger: bool = True,
    ) -> None:
        self._predict = predict
        self._linger = linger
        self._join = join
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
        of_one = _OfOne()
        self.submit_many([item], priority, tenant, [key], of_one)
        return of_one.future

    def submit_many(self, items: Any, priority: int, tenant: str, keys: Sequence[ItemKey], outcome: Outcome) -> None:
        """Queue prepared items that came together; they may leave in several batches, each with others.

        Args:
            items: a list, or what `join` takes.
            priority, tenant: as for one.
            keys: of each.
            outcome: is told what becomes of them.
        """
        with self._changed:
            if self._closed:
                raise _stopping()
            self._queue.put(items, priority, tenant, keys, outcome)
            self._changed.notify(min(len(items), len(self._threads)))

    def close(self) -> None:
        """Stop after the batches in flight; whatever still waits fails with `worker_stopping`."""
        with self._changed:
            self._closed = True
            left = self._queue.drain()
            self._changed.notify_all()
        for part in left:
            if part.entry.outcome.begin():
                part.entry.outcome.fail(part.first, part.last, _stopping())
        for thread in self._threads:
            thread.join(timeout=10)

    def _serve(self) -> None:
        while (batch := self._next_batch()) is not None:
            # Cancelled items are dropped here, before they cost anything.
            live = [part for part in batch if part.entry.outcome.begin()]
            if live:
                self._run(live)

    def _next_batch(self) -> list[Part] | None:
        with self._changed:
            while not self._queue:
                if self._closed:
                    return None
                self._changed.wait()
            filling = self._linger and len(self._queue) < self._batch_size
            if filling and self._queue.priority != Priority.INTERACTIVE:
                # The items that would fill the batch are usually being decoded right now.
                self._changed.wait(LINGER_S)
            return self._queue.take(self._batch_size)

    def _run(self, batch: list[Part]) -> None:
        """Run a batch; if it raises, halve it until the item that makes it fail is alone."""
        try:
            results = self._predict_watched(batch)
        except Exception as error:
            self._isolate(batch, error)
            return
        at = 0
        for part in batch:
            part.entry.outcome.done(part.first, results[at : at + len(part)])
            at += len(part)

    def _predict_watched(self, batch: list[Part]) -> Sequence[Any]:
        started, size = time.monotonic(), sum(map(len, batch))
        with self._in_flight.track(self._name, join_lists([part.keys for part in batch])):
            results = self._predict(self._join([part.items for part in batch]))
        if len(results) != size:
            raise TaglineError("length_mismatch", f"{self._name}: {len(results)} results for {size} items")
        self._observe(size, time.monotonic() - started)
        return results

    def _isolate(self, batch: list[Part], error: Exception) -> None:
        size = sum(map(len, batch))
        if size > 1:
            if is_out_of_memory(error):
                self._shrink(size - size // 2)
            for half in _halves(batch, size // 2):
                self._run(half)
        elif isinstance(error, ItemError):  # the request is at fault, not the model
            _fail(batch[0], error)
        else:
            self._run_again(batch[0])

    def _run_again(self, alone: Part) -> None:
        """Try once more, alone: an item that fails twice alone is itself the reason, unless memory was short."""
        try:
            results = self._predict_watched([alone])
        except ItemError as error:
            _fail(alone, error)
        except Exception as error:
            log.error("the model fails on a single item", exc_info=error, extra={"model": self._name})
            if is_out_of_memory(error):
                message = "There was not enough memory to run the model; try again later, or with a larger worker."
                _fail(alone, ItemError("worker_resources", message, permanent=False))
            else:
                _fail(alone, ItemError("inference_failed", _reason(error)))
        else:
            alone.entry.outcome.done(alone.first, results)

    def _shrink(self, size: int) -> None:
        with self._changed:
            if size < self._batch_size:
                self._batch_size = size
                log.warning("out of memory; smaller batches from now on", extra={"model": self._name, "batch": size})


def _fail(part: Part, error: Exception) -> None:
    part.entry.outcome.fail(part.first, part.last, error)


def _halves(batch: list[Part], size: int) -> tuple[list[Part], list[Part]]:
    """The first `size` items of a batch, and the others."""
    ahead: list[Part] = []
    behind: list[Part] = []
    for part in batch:
        cut = min(part.last, part.first + size)
        size -= cut - part.first
        ahead += [Part(part.entry, part.first, cut)] if cut > part.first else []
        behind += [Part(part.entry, cut, part.last)] if cut < part.last else []
    return ahead, behind


def is_out_of_memory(error: BaseException) -> bool:
    """Whether a model failed for want of memory, on whatever device."""
    return isinstance(error, MemoryError) or any(sign in str(error).lower() for sign in OUT_OF_MEMORY)


def _reason(error: Exception) -> str:
    """For the result. The library's own message may name files of this machine and is only logged."""
    return f"The model fails on this input, also alone ({type(error).__name__}); the worker's log says why."


def _stopping() -> ItemError:
    return ItemError("worker_stopping", "The worker is stopping.", permanent=False)
