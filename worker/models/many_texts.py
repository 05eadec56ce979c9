"""Texts many at a time: what a model may offer beside `TextModel`, and how one that takes them one by one is asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from worker.models.model import Output, TextModel


class Batch(Protocol):
    """Prepared texts in order."""

    def __len__(self) -> int: ...

    def __getitem__(self, place: slice) -> Batch: ...

    def only(self, kept: NDArray[np.bool_]) -> Batch:
        """The texts that are marked, bool [N]."""
        ...


@runtime_checkable
class ManyTexts(Protocol):
    """A model that takes texts many at a time. What it says of a text is what it says of that text alone."""

    def prepare_texts(self, texts: Sequence[str]) -> tuple[Batch, Mapping[int, Exception]]:
        """Those texts that the model can take, ready for it, and by its place the error of each other."""
        ...

    def join_texts(self, parts: Sequence[Any]) -> Any:
        """One batch of several, at least one."""
        ...

    def predict_texts(self, batch: Any) -> Sequence[Any]:
        """Raw results, as many, in the same order, as something that can be sliced."""
        ...

    def render_texts(self, raw: Any, options: Any) -> Sequence[dict[str, Any] | Output]:
        """Raw results as JSON-able data, each as `Model.render` would give it."""
        ...


class ItemBatch(list[Any]):
    """Texts that a model has prepared one by one."""

    def only(self, kept: NDArray[np.bool_]) -> ItemBatch:
        """The texts that are marked, bool [N]."""
        return ItemBatch(item for item, wanted in zip(self, kept, strict=True) if wanted)


class OneByOne:
    """A model that takes texts one by one, asked as if it took many. Its lane takes requests, as that of photos does,
    and so has no need of `predict_texts`."""

    def __init__(self, model: TextModel) -> None:
        self._model = model

    def prepare_texts(self, texts: Sequence[str]) -> tuple[ItemBatch, Mapping[int, Exception]]:
        """See ManyTexts."""
        prepared, errors = ItemBatch(), dict[int, Exception]()
        for place, text in enumerate(texts):
            try:
                prepared.append(self._model.prepare(text))
            except Exception as error:
                errors[place] = error
        return prepared, errors

    def join_texts(self, parts: Sequence[ItemBatch]) -> ItemBatch:
        """See ManyTexts."""
        return ItemBatch(item for part in parts for item in part)

    def render_texts(self, raw: Sequence[Any], options: Any) -> list[dict[str, Any] | Output]:
        """See ManyTexts."""
        return [self._model.render(one, options) for one in raw]


def prepare_each(model: ManyTexts | OneByOne, texts: Sequence[str]) -> tuple[Any, Mapping[int, Exception]]:
    """As `prepare_texts`; where that raises, texts are prepared by halves until the one that is the reason is alone."""
    try:
        return model.prepare_texts(texts)
    except Exception as error:
        half = len(texts) // 2
        if not half:
            return model.prepare_texts([])[0], {0: error}
    (first, some), (second, others) = prepare_each(model, texts[:half]), prepare_each(model, texts[half:])
    return model.join_texts([first, second]), {**some, **{half + place: error for place, error in others.items()}}


def render_each(model: ManyTexts | OneByOne, raw: Any, options: Any) -> Sequence[dict[str, Any] | Output | Exception]:
    """As `render_texts`; where that raises, one result at a time, and in place of each that cannot be rendered why."""
    try:
        return model.render_texts(raw, options)
    except Exception as error:
        if len(raw) <= 1:
            return [error]
    return [one for at in range(len(raw)) for one in render_each(model, raw[at : at + 1], options)]
