"""Encode images: one graph from pixels to named outputs, which classifiers, captioners and taggers read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.artefacts.manifest import Manifest
from core.errors import ArtefactError
from core.images.decode import ImageSpec
from worker.models.model import Encoder, Loaded
from worker.runtimes.runtime import Runtime


class ImageEncoder(Encoder):
    """The encoder in an artefact, whatever else the artefact holds."""

    def __init__(self, folder: Path, manifest: Manifest, runtime: Runtime, encoders: Mapping[str, Loaded]) -> None:
        """Raises ArtefactError: `manifest_invalid`, the graph does not take images alone."""
        self.manifest = manifest
        self.streams = runtime.streams
        self._runtime = runtime
        if not isinstance(manifest.preprocessing, ImageSpec) or len(manifest.inputs) != 1 or encoders:
            raise ArtefactError("manifest_invalid", f"{manifest.id} encodes images, but does not take just those")
        (self._input,) = manifest.inputs

    def encode(self, images: Sequence[NDArray[np.uint8]], outputs: Sequence[str]) -> list[dict[str, NDArray[Any]]]:
        """See Encoder; one run of the graph."""
        found = self._runtime.run({self._input: np.asarray(images)}, outputs)
        return [{name: found[name][at] for name in outputs} for at in range(len(images))]
