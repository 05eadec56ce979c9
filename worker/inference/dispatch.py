"""From a decoded photo to raw results: one pass through each encoder, then what each task makes of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.images.decode import ImageSpec
from db.claims import Claim
from worker.inference.lanes import EncoderRequest, WarmModel
from worker.models.model import Query

Pixels = NDArray[np.uint8]
Row = NDArray[Any]
Decoded = Mapping[ImageSpec, Pixels]


def image_spec(model: WarmModel) -> ImageSpec:
    """How an image model wants its images."""
    spec = model.model.manifest.preprocessing
    assert isinstance(spec, ImageSpec)
    return spec


def encode(claim: Claim, warm: Mapping[str, WarmModel], photo: Decoded) -> dict[str, Future[dict[str, Row]]]:
    """Send a photo through each encoder that its tasks stand on, once, however many they are.

    Args:
        claim: the chunk it belongs to.
        warm: the model of each task.
        photo: its pixels, as each of the models wants them.

    Returns:
        By the encoder's NAME@VERSION, the outputs that were asked for: one row each.
    """
    wanted: dict[str, set[str]] = {}
    encoders = {}
    for one in warm.values():
        if one.encoder_output is not None:
            encoder, output = one.encoder_output
            encoders[encoder.id] = encoder
            wanted.setdefault(encoder.id, set()).add(output)
    return {
        name: encoder.lane.submit(EncoderRequest(photo[encoder.spec], frozenset(wanted[name])), claim.priority)
        for name, encoder in encoders.items()
    }


def infer(
    claim: Claim, warm: Mapping[str, WarmModel], photo: Decoded, encoded: Mapping[str, Future[dict[str, Row]]]
) -> dict[str, Future[Any]]:
    """Queue a photo for the model of each task, as soon as what that takes is there.

    Returns:
        By task, its raw result.
    """

    def run(task: str, one: WarmModel) -> Future[Any]:
        options = claim.options.get(task, {})
        if one.encoder_output is None:
            return _submit(one, Query(photo[image_spec(one)], options), claim.priority)
        encoder, output = one.encoder_output
        if one.lane is None:  # the encoder's output is the result
            return _then(encoded[encoder.id], lambda rows: _done(rows[output]))
        return _then(encoded[encoder.id], lambda rows: _submit(one, Query(rows[output], options), claim.priority))

    return {task: run(task, one) for task, one in warm.items()}


def infer_text(claim: Claim, warm: Mapping[str, WarmModel], prepared: Mapping[str, Any]) -> dict[str, Future[Any]]:
    """Queue a text for the model of each task, as each has prepared it."""
    return {
        task: _submit(one, Query(prepared[task], claim.options.get(task, {})), claim.priority)
        for task, one in warm.items()
    }


def _submit(one: WarmModel, query: Query, priority: int) -> Future[Any]:
    assert one.lane is not None
    return one.lane.submit(query, priority)


def _done(value: Any) -> Future[Any]:
    future: Future[Any] = Future()
    future.set_result(value)
    return future


def _then(first: Future[Any], follow: Callable[[Any], Future[Any]]) -> Future[Any]:
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
