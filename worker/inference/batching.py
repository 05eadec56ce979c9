"""The inference lane: items of many chunks wait here and leave in model batches, interactive ones first."""

from __future__ import annotations

import heapq
import itertools
import logging
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from core.errors import ItemError, TaglineError

log = logging.getLogger(__name__)

LINGER_S = 0.005


@dataclass(order=True, slots=True)
class _Waiting:
    priority: int
    number: int  # first come, first served within a priority
    item: Any = field(compare=False)
    result: Future[Any] = field(compare=False)


class Lane:
    """Feeds one model on one device.

    Args:
        predict: raw results for a list of prepared items; as many, in the same order.
        batch_size: most items in a batch.
        streams: batches in flight at a time, each on a thread of its own.
        observe: told (items, seconds) of every batch that succeeded.
    """

    def __init__(
        self,
        predict: Callable[[Sequence[Any]], Sequence[Any]],
        *,
        batch_size: int,
        streams: int,
        name: str,
        observe: Callable[[int, float], None] = lambda items, seconds: None,
    ) -> None:
        self._predict = predict
        self._batch_size = batch_size
        self._observe = observe
        self._name = name
        self._numbers = itertools.count()
        self._waiting: list[_Waiting] = []
        self._changed = threading.Condition()
        self._closed = False
        self._threads = [
            threading.Thread(target=self._serve, name=f"lane-{name}-{n}", daemon=True) for n in range(streams)
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, item: Any, priority: int) -> Future[Any]:
        """Queue one prepared item; the future holds its raw result, or the ItemError that is its own fault.

        A future that was cancelled before its batch left costs nothing.
        """
        result: Future[Any] = Future()
        with self._changed:
            if self._closed:
                raise ItemError("worker_stopping", "The worker is stopping.", permanent=False)
            heapq.heappush(self._waiting, _Waiting(priority, next(self._numbers), item, result))
            self._changed.notify()
        return result

    def close(self) -> None:
        """Stop after the batches in flight; whatever still waits fails with `worker_stopping`."""
        with self._changed:
            self._closed = True
            left, self._waiting = self._waiting, []
            self._changed.notify_all()
        for waiting in left:
            if waiting.result.set_running_or_notify_cancel():
                waiting.result.set_exception(ItemError("worker_stopping", "The worker is stopping.", permanent=False))
        for thread in self._threads:
            thread.join(timeout=10)

    def _serve(self) -> None:
        while (batch := self._next_batch()) is not None:
            # A cancelled item leaves here, before it costs anything.
            live = [waiting for waiting in batch if waiting.result.set_running_or_notify_cancel()]
            if live:
                self._run(live)

    def _next_batch(self) -> list[_Waiting] | None:
        with self._changed:
            while not self._waiting:
                if self._closed:
                    return None
                self._changed.wait()
            if len(self._waiting) < self._batch_size:
                # The rest of a batch is usually being decoded right now.
                self._changed.wait(LINGER_S)
            count = min(self._batch_size, len(self._waiting))
            return [heapq.heappop(self._waiting) for _ in range(count)]

    def _run(self, batch: list[_Waiting]) -> None:
        """Run a batch; if it raises, halve it until the culprit stands alone."""
        started = time.monotonic()
        try:
            results = self._predict([waiting.item for waiting in batch])
            if len(results) != len(batch):
                raise TaglineError("length_mismatch", f"{self._name}: {len(results)} results for {len(batch)} items")
        except Exception as error:
            self._isolate(batch, error)
            return
        self._observe(len(batch), time.monotonic() - started)
        for waiting, result in zip(batch, results, strict=True):
            waiting.result.set_result(result)

    def _isolate(self, batch: list[_Waiting], error: Exception) -> None:
        if len(batch) > 1:
            half = len(batch) // 2
            self._run(batch[:half])
            self._run(batch[half:])
            return
        if isinstance(error, ItemError):  # what was asked for makes no sense: nobody's business but the caller's
            batch[0].result.set_exception(error)
            return
        log.error("the model fails on a single item", exc_info=error, extra={"model": self._name})
        batch[0].result.set_exception(ItemError("inference_failed", f"The model failed: {error}"))
