"""Texts of a chunk on their way together: prepared, then inferred. Nothing here waits, and each fails alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.errors import ItemError
from core.inputs import InputItem, ItemResult
from db.claims import Claim
from worker.chunk.context import WorkerContext
from worker.inference.dispatch import Dispatcher
from worker.inference.texts_in_flight import TextsInFlight

TOGETHER = 512  # texts that are prepared at a time
CHARACTERS = 1 << 18  # of them in all: an interactive text does not wait long for long ones
NOTHING: Mapping[str, NDArray[np.float16]] = MappingProxyType({})
Outcome = ItemResult | BaseException  # or why there is none


def text_groups(items: Sequence[InputItem]) -> Iterator[list[InputItem]]:
    """Texts in groups that are on their way together."""
    group: list[InputItem] = []
    characters = 0
    for item in items:
        if group and (len(group) == TOGETHER or characters + len(item.ref) > CHARACTERS):
            yield group
            group, characters = [], 0
        group.append(item)
        characters += len(item.ref)
    if group:
        yield group


class TextsRun:
    """A group of texts under way; each stage runs on the threads that do its work.

    Attributes:
        items: the texts.
        done: whether `collect` has told of all of them.
    """

    def __init__(
        self,
        context: WorkerContext,
        claim: Claim,
        dispatcher: Dispatcher,
        items: Sequence[InputItem],
        changed: Callable[[], None],
    ) -> None:
        """`changed` is called whenever `collect` may have something new, from any thread; it must be quick."""
        self.items = items
        self.done = False
        self._context = context
        self._claim = claim
        self._dispatcher = dispatcher
        self._changed = changed
        self._in_flight: TextsInFlight | None = None
        self._error: BaseException | None = None  # of all of them
        self._left = len(items)
        self._outputs: list[dict[str, Any]] = [{} for _ in items]
        self._embeddings: dict[int, dict[str, NDArray[np.float16]]] = {}
        self._failed: dict[int, Exception] = {}

    def start(self) -> None:
        """Set the texts on their way. Never raises."""
        try:
            self._context.decoders.submit(self._claim.priority, self._prepare)
        except RuntimeError:  # the worker is shutting down
            self._fail(ItemError("worker_stopping", "The worker is stopping.", permanent=False))

    def collect(self) -> Iterator[tuple[InputItem, Outcome]]:
        """What became of those of the texts of which everything is known since this was last called."""
        if self._error is not None and not self.done:
            self.done = True
            for item in self.items:
                yield item, self._error
        elif self._in_flight is not None and not self.done:
            new = self._in_flight.new()
            for each in new.raw:
                self._render(each.task, each.places, each.raw)
            self._left -= len(new.finished)
            self.done = not self._left
            failed = {**self._failed, **new.errors}
            for place in new.finished:
                item = self.items[place]
                yield (
                    item,
                    failed.get(place)
                    or ItemResult(item, self._outputs[place], embeddings=self._embeddings.get(place, NOTHING)),
                )

    def _prepare(self) -> None:
        seqs = [item.seq for item in self.items]
        try:
            with self._context.in_flight.track("prepare", [(self._claim.chunk_id, seq) for seq in seqs]):
                texts = [item.ref for item in self.items]
                self._in_flight = self._dispatcher.infer_texts(texts, seqs, self._changed)
        except BaseException as error:
            self._fail(error)
        else:
            self._changed()

    def _fail(self, error: BaseException) -> None:
        self._error = error
        self._changed()

    def _render(self, task: str, places: Sequence[int], raw: Any) -> None:
        for place, output in zip(places, self._dispatcher.render_texts(task, raw), strict=True):
            if isinstance(output, dict):
                self._outputs[place][task] = output
            elif isinstance(output, Exception):
                self._failed.setdefault(place, output)
            else:
                self._outputs[place][task] = output.json
                if output.embedding is not None:
                    self._embeddings.setdefault(place, {})[task] = output.embedding
