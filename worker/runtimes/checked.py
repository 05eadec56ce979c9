"""A runtime that checks a graph's outputs against its manifest, until its model is warm."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.artefacts.manifest import Manifest
from core.errors import ArtefactError
from worker.runtimes.runtime import Runtime


class CheckedRuntime:
    """Another runtime, checked while its model is warmed up, whatever parts of the graph the model runs."""

    def __init__(self, runtime: Runtime, manifest: Manifest) -> None:
        self.name, self.device, self.streams = runtime.name, runtime.device, runtime.streams
        self._runtime = runtime
        self._manifest = manifest
        self._checking = True

    def stop_checking(self) -> None:
        """Hand results on unchecked from now on: the warm-up went well."""
        self._checking = False

    def run(self, feeds: Mapping[str, NDArray[Any]], outputs: Sequence[str]) -> dict[str, NDArray[Any]]:
        """See Runtime.

        Raises:
            ArtefactError: also `warm_up_failed`, an output has another type or shape than promised, or is not finite.
        """
        found = self._runtime.run(feeds, outputs)
        if self._checking:
            for name, array in found.items():
                fault = self._fault(feeds, name, array)
                if fault:
                    raise ArtefactError("warm_up_failed", f"{self._manifest.id} gives {name} {fault}")
        return found

    def _fault(self, feeds: Mapping[str, NDArray[Any]], name: str, array: NDArray[Any]) -> str | None:
        spec = self._manifest.outputs.get(name)
        if spec is None:
            return "that the manifest does not list"
        wanted = tuple(array.shape[at : at + 1] if size is None else (size,) for at, size in enumerate(spec.shape))
        if tuple(size for known in wanted for size in known) != array.shape or array.dtype != spec.dtype:
            return f"as {array.dtype} {array.shape}, the manifest says {spec.dtype} {spec.shape}"
        if spec.shape[:1] == (None,) and len(array) not in self._batch_sizes(feeds):
            return f"for {len(array)} items, having been fed another number of them"
        return None if np.isfinite(array).all() else "that is not finite"

    def _batch_sizes(self, feeds: Mapping[str, NDArray[Any]]) -> set[int]:
        """The numbers of items that were fed; inputs of a fixed size say nothing about them."""
        specs = self._manifest.inputs
        return {len(array) for name, array in feeds.items() if name in specs and specs[name].shape[:1] == (None,)}
