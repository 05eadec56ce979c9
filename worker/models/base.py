"""What the worker asks of a model, whatever its kind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from numpy.typing import NDArray

from core.artefacts import Manifest


class Model(Protocol):
    """One warm model. Its methods may be called from several threads at once.

    Attributes:
        manifest: what it is; `manifest.medium` says what it takes and `manifest.preprocessing` how to prepare it.
        streams: how many calls of `predict` at a time pay off.
        outputs: the outputs of its graph that it uses.
    """

    manifest: Manifest
    streams: int
    outputs: tuple[str, ...]

    def example(self) -> Any:
        """One prepared item: pixels uint8 [height, width, 3], or a `PreparedText`. Warm-up runs on it."""
        ...

    def collate(self, items: Sequence[Any]) -> NDArray[Any]:
        """Prepared items as one batch [N, ...] that the graph takes."""
        ...

    def predict(self, items: Sequence[Any]) -> Sequence[Any]:
        """Raw results for prepared items: as many, in the same order. A result does not depend on its neighbours."""
        ...

    def render(self, raw: Any, options: Mapping[str, Any]) -> dict[str, Any]:
        """One raw result as JSON-able data, with the task's options applied."""
        ...


class TextModel(Model, Protocol):
    """A model that takes texts."""

    def prepare(self, text: str) -> Any:
        """One item for `predict`.

        Raises:
            ItemError: the text cannot be judged.
        """
        ...
