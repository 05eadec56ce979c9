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

    def example(self) -> NDArray[Any]:
        """One prepared item: what `predict` takes, without the batch axis. Warm-up runs on it."""
        ...

    def predict(self, batch: NDArray[Any]) -> Sequence[Any]:
        """Raw results for a batch [N, ...] of prepared items: as many, in the same order."""
        ...

    def render(self, raw: Any, options: Mapping[str, Any]) -> dict[str, Any]:
        """One raw result as JSON-able data, with the task's options applied."""
        ...
