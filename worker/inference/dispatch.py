"""From a decoded photo to raw results: one pass through each encoder, then what each task makes of it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import CancelledError, Future
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.images.decode import ImageSpec
from db.claims import Claim
from worker.inference.batching import Lane
from worker.inference.lanes import EncoderRequest, ServedModel
from worker.models.model import InferenceRequest

Pixels = NDArray[np.uint8]
Row = NDArray[Any]
Decoded = Mapping[ImageSpec, Pixels]


class Dispatcher:
    """Queues the items of one chunk for the models of its tasks; safe to share between threads.

    Args:
        claim: the chunk.
        served: the model of each task.
    """

    def __init__(self, claim: Claim, served: Mapping[str, ServedModel]) -> None:
        self._claim = claim
        self._served = served
        self._lock = threading.Lock()
        self._queued: set[Future[Any]] = set()
        self._cancelled = False

    def infer_image(self, photo: Decoded, seq: int) -> dict[str, Future[Any]]:
        """Queue a photo for the model of each task, as soon as what that takes is there.

        Args:
            photo: its pixels, as each of the models wants them.
            seq: of its item.

        Returns:
            By task, its raw result.
        """
        encoded = self._encode(photo, seq)
        return {task: self._infer(task, served, photo, encoded, seq) for task, served in self._served.items()}

    def infer_text(self, prepared: Mapping[str, Any], seq: int) -> dict[str, Future[Any]]:
        """Queue a text for the model of each task, as each has prepared it."""
        return {task: self._submit(served, task, prepared[task], seq) for task, served in self._served.items()}

    def render(self, task: str, raw: Any) -> dict[str, Any]:
        """A task's raw result as JSON-able data."""
        return self._served[task].model.render(raw, self._claim.options.get(task, {}))

    def check(self) -> None:
        """Raises CancelledError once the chunk is given up: nothing more need be prepared for it."""
        if self._cancelled:
            raise CancelledError

    def cancel(self) -> None:
        """Take back whatever waits in a lane, and let nothing of this chunk enter one from now on.

        A batch that has left is not stopped. Futures that were taken back raise CancelledError.
        """
        with self._lock:
            self._cancelled = True
            queued = list(self._queued)
        for future in queued:
            future.cancel()

    def _encode(self, photo: Decoded, seq: int) -> dict[str, Future[dict[str, Row]]]:
        """Send a photo through each encoder that its tasks read, once, however many they are.

        Returns:
            By the encoder's NAME@VERSION, the outputs that were asked for: one row each.
        """
        wanted: dict[str, set[str]] = {}
        encoders = {}
        for served in self._served.values():
            if served.reads is not None:
                encoders[served.reads.encoder.id] = served.reads.encoder
                wanted.setdefault(served.reads.encoder.id, set()).add(served.reads.name)
        return {
            name: self._queue(encoder.lane, EncoderRequest(photo[encoder.spec], frozenset(wanted[name])), seq)
            for name, encoder in encoders.items()
        }

    def _infer(
        self, task: str, served: ServedModel, photo: Decoded, encoded: Mapping[str, Future[dict[str, Row]]], seq: int
    ) -> Future[Any]:
        if served.reads is None:
            return self._submit(served, task, photo[image_spec(served)], seq)
        name = served.reads.name
        return chain(encoded[served.reads.encoder.id], lambda rows: self._submit(served, task, rows[name], seq))

    def _submit(self, served: ServedModel, task: str, value: Any, seq: int) -> Future[Any]:
        if served.lane is None:  # what it is given is its result
            return _done(value)
        return self._queue(served.lane, InferenceRequest(value, self._claim.options.get(task, {})), seq)

    def _queue(self, lane: Lane, item: Any, seq: int) -> Future[Any]:
        with self._lock:
            self.check()
            claim = self._claim
            future = lane.submit(item, claim.priority, claim.tenant_id, (claim.chunk_id, seq))
            self._queued.add(future)
        future.add_done_callback(self._forget)
        return future

    def _forget(self, future: Future[Any]) -> None:
        with self._lock:
            self._queued.discard(future)


def image_spec(served: ServedModel) -> ImageSpec:
    """How an image model wants its images."""
    spec = served.model.manifest.preprocessing
    assert isinstance(spec, ImageSpec)
    return spec


def chain(first: Future[Any], follow: Callable[[Any], Future[Any]]) -> Future[Any]:
    """A future for what `follow` makes of the result of another; the first failure is its own."""
    chained: Future[Any] = Future()

    def copy(done: Future[Any]) -> None:
        try:
            chained.set_result(done.result())
        except Exception as error:
            chained.set_exception(error)

    def go_on(done: Future[Any]) -> None:
        try:
            following = follow(done.result())
        except Exception as error:
            chained.set_exception(error)
        else:
            following.add_done_callback(copy)

    first.add_done_callback(go_on)
    return chained


def _done(value: Any) -> Future[Any]:
    future: Future[Any] = Future()
    future.set_result(value)
    return future
