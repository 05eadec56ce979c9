"""From a decoded photo, or texts, to raw results: one pass through each encoder, then what each task makes of it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import CancelledError, Future
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from core.images.decode import ImageSpec
from core.tasks import TaskOptions
from worker.inference.batching import Lane
from worker.inference.lanes import EncoderRequest, ServedModel
from worker.inference.texts_in_flight import TextsInFlight
from worker.models.many_texts import ManyTexts, OneByOne, prepare_each, render_each
from worker.models.model import InferenceRequest, Model, Output, TextModel

Pixels = NDArray[np.uint8]
Row = NDArray[Any]
Decoded = Mapping[ImageSpec, Pixels]


class Dispatcher:
    """Sends the items of one chunk to the models of its tasks; safe to share between threads.

    Args:
        priority: of the chunk; the lower, the sooner.
        served: the model of each task.
        options: of each task.
        tenant: whose chunk it is; in the lanes tenants take turns.
        chunk_id: named if a model hangs on one of its items.
    """

    def __init__(
        self,
        priority: int,
        served: Mapping[str, ServedModel],
        options: Mapping[str, TaskOptions],
        *,
        tenant: str = "",
        chunk_id: int = 0,
    ) -> None:
        self._priority = priority
        self._tenant = tenant
        self._chunk_id = chunk_id
        self._served = served
        self._options = options
        self._lock = threading.Lock()
        self._queued: set[Future[Any]] = set()
        self._texts: list[TextsInFlight] = []
        self._cancelled = False

    @property
    def image_specs(self) -> set[ImageSpec]:
        """How the models of an image job want their images."""
        return {_image_spec(served) for served in self._served.values()}

    def infer_image(self, photo: Decoded, seq: int = 0) -> dict[str, Future[Any]]:
        """Queue a photo for the model of each task: at once, or when the encoder that it reads is done.

        Args:
            photo: its pixels, as each of the models wants them.
            seq: of the item.

        Returns:
            By task, its raw result.
        """
        encoded = self._encode(photo, seq)
        return {task: self._infer(task, photo, encoded, seq) for task in self._served}

    def infer_texts(self, texts: Sequence[str], seqs: Sequence[int], done: Callable[[], None]) -> TextsInFlight:
        """Queue texts for the model of each task; all of them prepare them before.

        Args:
            texts: of the chunk's items `seqs`.
            done: called whenever there are new results, from any thread; it must be quick.
        """
        self.check()
        models = {task: _many(served.model) for task, served in self._served.items()}
        prepared: dict[str, Any] = {}
        errors: dict[int, Exception] = {}
        left = np.arange(len(texts))
        for task, model in models.items():
            batch, failed = prepare_each(model, [texts[place] for place in left.tolist()])
            kept = np.ones(len(left), bool)
            kept[list(failed)] = False
            errors |= {int(left[at]): error for at, error in failed.items()}
            prepared = {known: earlier.only(kept) for known, earlier in prepared.items()} | {task: batch}
            left = left[kept]
        in_flight = TextsInFlight(len(texts), errors, left, tuple(models), done)
        keys = [(self._chunk_id, seqs[place]) for place in left.tolist()]
        with self._lock:
            self.check()
            self._texts.append(in_flight)
        for task, batch in prepared.items():
            served = self._served[task]
            assert served.lane is not None
            many = isinstance(served.model, ManyTexts)
            items = batch if many else [InferenceRequest(value, self._options[task]) for value in batch]
            served.lane.submit_many(items, self._priority, self._tenant, keys, in_flight.outcome(task))
        return in_flight

    def render_texts(self, task: str, raw: Any) -> list[dict[str, Any] | Output | Exception]:
        """A task's results for texts, each as `render` gives it, or its JSON alone; or why there is none."""
        served = self._served[task]
        rendered = render_each(_many(served.model), raw, self._options[task])
        beside = {"variant": served.variant}
        return [
            one | beside if isinstance(one, dict)
            else one if isinstance(one, Exception)
            else _with_variant(one, served.variant)
            for one in rendered
        ]  # fmt: skip

    def render(self, task: str, raw: Any) -> Output:
        """A task's result for an item, rendered by its model with the task's options, and the variant it is from."""
        served = self._served[task]
        return _with_variant(served.model.render(raw, self._options[task]), served.variant)

    def check(self) -> None:
        """Raises CancelledError once the chunk is given up, so that nothing more is prepared for it."""
        if self._cancelled:
            raise CancelledError

    def cancel(self) -> None:
        """Cancel what waits in a lane, and let nothing more of this chunk enter one.

        A batch that is running is not stopped. Futures that were cancelled raise CancelledError.
        """
        with self._lock:
            self._cancelled = True
            queued: list[Future[Any] | TextsInFlight] = [*self._queued, *self._texts]
        for each in queued:
            each.cancel()

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

    def _infer(self, task: str, photo: Decoded, encoded: Mapping[str, Future[dict[str, Row]]], seq: int) -> Future[Any]:
        served = self._served[task]
        if served.reads is None:
            return self._submit(task, photo[_image_spec(served)], seq)
        name = served.reads.name
        return chain(encoded[served.reads.encoder.id], lambda rows: self._submit(task, rows[name], seq))

    def _submit(self, task: str, value: Any, seq: int) -> Future[Any]:
        served, request = self._served[task], InferenceRequest(value, self._options[task])
        if served.lane is None:
            return _done(served.model.predict([request])[0])
        return self._queue(served.lane, request, seq)

    def _queue(self, lane: Lane, item: Any, seq: int) -> Future[Any]:
        with self._lock:
            self.check()
            future = lane.submit(item, self._priority, self._tenant, (self._chunk_id, seq))
            self._queued.add(future)
        future.add_done_callback(self._forget)
        return future

    def _forget(self, future: Future[Any]) -> None:
        with self._lock:
            self._queued.discard(future)


def _with_variant(rendered: dict[str, Any] | Output, variant: str) -> Output:
    output = rendered if isinstance(rendered, Output) else Output(rendered)
    return Output({**output.json, "variant": variant}, output.embedding)


def _many(model: Model) -> ManyTexts | OneByOne:
    """A model of texts as one that takes many at a time."""
    return model if isinstance(model, ManyTexts) else OneByOne(cast(TextModel, model))


def _image_spec(served: ServedModel) -> ImageSpec:
    """How an image model wants its images."""
    spec = served.model.manifest.preprocessing
    assert isinstance(spec, ImageSpec)
    return spec


def chain(first: Future[Any], follow: Callable[[Any], Future[Any]]) -> Future[Any]:
    """A future of what `follow` makes of the result of `first`; it fails as the first of both that does."""
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
