"""A chunk that is given up leaves the lanes: no model sees its items any more, and its neighbours' are not touched."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError, Future
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from core.images.decode import ImageSpec
from core.tasks import SpamOptions, TaskOptions
from worker.inference.batching import Lane
from worker.inference.dispatch import Dispatcher
from worker.inference.lanes import EncoderOutput, EncoderRequest, ServedEncoder, ServedModel
from worker.models.model import InferenceRequest, Model

SPEC = ImageSpec(size=(2, 2))


class Held:
    """What a lane runs, one item at a time: remembers the number in each, and waits until it is let go on."""

    def __init__(self, number: Callable[[Any], int]) -> None:
        self._number = number
        self.seen: list[int] = []
        self.entered, self.go_on = threading.Event(), threading.Event()

    def __call__(self, batch: Sequence[Any]) -> list[Any]:
        (item,) = batch
        self.seen.append(self._number(item))
        self.entered.set()
        assert self.go_on.wait(180)
        return [{"grid": item.pixels} if isinstance(item, EncoderRequest) else self.seen[-1]]


class Stage:
    """An encoder and a model that reads it, and a model that takes texts, each in a lane of its own."""

    def __init__(self) -> None:
        self.encoder = Held(lambda request: int(request.pixels[0, 0, 0]))
        self.head = Held(lambda request: int(request.input[0, 0, 0]))
        self.text = Held(lambda request: int(request.input))
        held = (self.encoder, self.head, self.text)
        encoder, head, text = self.lanes = [Lane(one, batch_size=1, streams=1, name="held") for one in held]
        grid = EncoderOutput(ServedEncoder(_model(SPEC).manifest, encoder), "grid")
        self.image = {"caption": ServedModel(_model(SPEC), head, grid)}
        self.texts = {"spam": ServedModel(_model(None), text)}

    def let_go(self) -> None:
        for held in (self.encoder, self.head, self.text):
            held.go_on.set()


def _model(preprocessing: Any) -> Model:
    manifest = SimpleNamespace(id="eye@1.0.0", preprocessing=preprocessing)
    return cast(Model, SimpleNamespace(manifest=manifest, prepare=int))


def dispatcher(served: dict[str, ServedModel]) -> Dispatcher:
    return Dispatcher(0, served, {task: TaskOptions() for task in served})


def photo(number: int) -> dict[ImageSpec, Any]:
    return {SPEC: np.full((2, 2, 3), number, np.uint8)}


def outcome(future: Future[Any]) -> Any:
    try:
        return future.result(180)
    except CancelledError:
        return "cancelled"


class Texts:
    """Texts that were sent together; waits for their results."""

    def __init__(self, dispatcher: Dispatcher, *texts: str) -> None:
        self._count, self._new = len(texts), threading.Semaphore(0)
        self.results: dict[int, Any] = {}
        self._sent = dispatcher.infer_texts(texts, range(len(texts)), self._new.release)

    def wait(self) -> dict[int, Any]:
        """By the place of each text, its raw result or its error."""
        while len(self.results) < self._count:
            new = self._sent.new()
            self.results |= {place: raw for some in new.raw for place, raw in zip(some.places, some.raw, strict=True)}
            self.results |= new.errors
            assert len(self.results) == self._count or self._new.acquire(timeout=180)
        return self.results


@pytest.fixture
def stage() -> Iterator[Stage]:
    opened = Stage()
    yield opened
    opened.let_go()
    for lane in opened.lanes:
        lane.close()


def test_photos_that_wait_for_the_encoder_are_taken_back(stage: Stage) -> None:
    lost, kept = dispatcher(stage.image), dispatcher(stage.image)
    futures = [lost.infer_image(photo(n))["caption"] for n in (1, 2, 3)]
    other = kept.infer_image(photo(4))["caption"]
    assert stage.encoder.entered.wait(180)
    lost.cancel()
    stage.let_go()
    assert outcome(other) == 4
    assert [outcome(future) for future in futures] == ["cancelled"] * 3
    assert stage.encoder.seen == [1, 4], "the batch that had left is run to its end"
    assert stage.head.seen == [4]


def test_photos_that_wait_for_a_model_behind_the_encoder_are_taken_back(stage: Stage) -> None:
    lost, kept = dispatcher(stage.image), dispatcher(stage.image)
    stage.encoder.go_on.set()
    futures = [lost.infer_image(photo(n))["caption"] for n in (1, 2, 3)]
    other = kept.infer_image(photo(4))["caption"]
    assert stage.head.entered.wait(180)
    lost.cancel()
    stage.let_go()
    assert outcome(other) == 4
    assert outcome(futures[0]) == 1
    assert [outcome(future) for future in futures[1:]] == ["cancelled"] * 2
    assert stage.head.seen == [1, 4]


def test_texts_are_taken_back(stage: Stage) -> None:
    lost, kept = dispatcher(stage.texts), dispatcher(stage.texts)
    taken_back, other = Texts(lost, "1", "2", "3"), Texts(kept, "4")
    assert stage.text.entered.wait(180)
    lost.cancel()
    stage.let_go()
    assert other.wait() == {0: 4}
    assert not taken_back.results.keys() - {0}
    assert stage.text.seen == [1, 4], "the batch that had left is run to its end"


def test_texts_that_no_model_can_take_fail_alone_and_in_their_places(stage: Stage) -> None:
    """`prepare` is int here. Were results counted in the wrong order, the last text would have the second's."""
    stage.let_go()
    results = Texts(dispatcher(stage.texts), "x", "5", "y", "6").wait()
    assert (results[1], results[3]) == (5, 6)
    assert [type(results[place]) for place in (0, 2)] == [ValueError, ValueError]
    assert Texts(dispatcher(stage.texts), "x").wait().keys() == {0}


def test_what_is_given_up_queues_nothing_any_more(stage: Stage) -> None:
    images, texts = dispatcher(stage.image), dispatcher(stage.texts)
    images.check()
    for lost in (images, texts):
        lost.cancel()
    for attempt in (images.check, lambda: images.infer_image(photo(1)), lambda: Texts(texts, "1")):
        with pytest.raises(CancelledError):
            attempt()
    stage.let_go()
    assert Texts(dispatcher(stage.texts), "2").wait() == {0: 2}
    assert (stage.encoder.seen, stage.head.seen, stage.text.seen) == ([], [], [2])


def test_a_request_carries_the_options_of_its_task() -> None:
    asked: list[InferenceRequest[Any]] = []

    def predict(batch: Sequence[InferenceRequest[Any]]) -> list[int]:
        asked.extend(batch)
        return [0] * len(batch)

    lane, options = Lane(predict, batch_size=1, streams=1, name="options"), SpamOptions(threshold=0.25)
    one = Dispatcher(0, {"spam": ServedModel(_model(None), lane)}, {"spam": options})
    assert Texts(one, "7").wait() == {0: 0}
    assert [(request.input, request.options) for request in asked] == [(7, options)]
    lane.close()
