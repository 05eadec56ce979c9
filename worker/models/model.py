"""What the worker requires of what it loads: of models, which do a task, and of the encoders that they read."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from core.artefacts.manifest import Manifest
from core.tasks import TaskOptions

Options = TypeVar("Options", bound=TaskOptions, covariant=True)


@dataclass(frozen=True, slots=True)
class InferenceRequest(Generic[Options]):
    """One item of a batch.

    Attributes:
        input: what the model takes: pixels uint8 [height, width, 3], one row of its encoder's output, or what its
            own `prepare` made of a text.
        options: of the job's task, as core/tasks.py has them; read once for a whole chunk.
    """

    input: Any
    options: Options


@dataclass(frozen=True, slots=True)
class Output:
    """A model's result for one item.

    Attributes:
        json: the result, as it is stored and shown.
        embedding: where the model has one, float16 [size]: with it the item can be scored again, by the same model
            against other labels, without being read.
    """

    json: dict[str, Any]
    embedding: NDArray[np.float16] | None = None


class Loaded(Protocol):
    """What was loaded from an artefact. Its methods may be called from several threads at once.

    It is made as `Kind(folder, manifest, runtime, encoders)`: the artefact's folder and manifest, its graph loaded,
    and the encoders that `manifest.encoders` names, by the same keys.

    A class with `needs_runtime = False` loads what it runs itself and is given None for the graph.

    Attributes:
        manifest: what it is; `manifest.medium` says what it takes and `manifest.preprocessing` how that is prepared.
        streams: how many batches at a time pay off.
    """

    manifest: Manifest
    streams: int


@runtime_checkable
class Model(Loaded, Protocol):
    """Something that does a task."""

    def predict(self, requests: Sequence[InferenceRequest[Any]]) -> Sequence[Any]:
        """Raw results: as many, in the same order. A result does not depend on its neighbours, whatever their options.

        Raises:
            ItemError: an item cannot be processed; the lane finds out which.
        """
        ...

    def render(self, raw: Any, options: Any) -> dict[str, Any] | Output:
        """One raw result as JSON-able data, with the task's options applied; as an `Output` if there is more to it."""
        ...


class TextModel(Model, Protocol):
    """A model that takes texts."""

    def prepare(self, text: str) -> Any:
        """The input of a request for a text.

        Raises:
            ItemError: the model cannot take the text.
        """
        ...


class Encoder(ABC):
    """Images in, named outputs out: what image models read, so that one pass serves all of them.

    A base class and not a protocol: a model of another package may well have a method `encode` of its own.
    """

    manifest: Manifest
    streams: int

    @abstractmethod
    def encode(self, images: Sequence[NDArray[np.uint8]], outputs: Sequence[str]) -> list[dict[str, NDArray[Any]]]:
        """The wanted outputs for each image uint8 [height, width, 3], by name, in order."""


class OutputReader(ABC):
    """A model of which an output of its artefact's encoder is the raw result already: it runs nothing itself.

    Attributes:
        encoder: the encoder.
        output: the name of the output.
    """

    manifest: Manifest
    streams: int
    encoder: Encoder
    output: str

    def predict(self, requests: Sequence[InferenceRequest[Any]]) -> list[NDArray[Any]]:
        """The rows of the output as they are."""
        return [request.input for request in requests]

    @abstractmethod
    def render(self, raw: NDArray[Any], options: Any) -> dict[str, Any] | Output:
        """See Model."""


def encoder_in(loaded: Loaded) -> Encoder | None:
    """The image encoder that an artefact holds, if it holds one."""
    if isinstance(loaded, OutputReader):
        return loaded.encoder
    return loaded if isinstance(loaded, Encoder) else None
