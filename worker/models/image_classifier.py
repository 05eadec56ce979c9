"""Classify images: probabilities over the labels of the artefact, whose graph is also what other models stand on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.artefacts.manifest import Manifest, read_labels
from core.errors import ArtefactError
from core.heads.ranking import rank
from core.images.decode import ImageSpec
from core.tasks import ClassifyOptions
from worker.models.model import InferenceRequest, Model
from worker.runtimes.runtime import Runtime

OUTPUT = "probabilities"


class ImageClassifier:
    """One softmax over a fixed vocabulary, from uint8 pixels, and whatever else its graph gives."""

    own = OUTPUT

    def __init__(self, folder: Path, manifest: Manifest, runtime: Runtime, encoders: Mapping[str, Model]) -> None:
        """Read the labels.

        Raises:
            ArtefactError: `labels_invalid`, `labels_mismatch`, `graph_output_missing` or `manifest_invalid`.
        """
        self.manifest = manifest
        self.streams = runtime.streams
        self._runtime = runtime
        self._labels = read_labels(folder, manifest)
        if not isinstance(manifest.preprocessing, ImageSpec) or len(manifest.inputs) != 1 or encoders:
            raise ArtefactError("manifest_invalid", f"{manifest.id} classifies images, but does not take just those")
        (self._input,) = manifest.inputs
        if OUTPUT not in manifest.outputs:
            raise ArtefactError("graph_output_missing", f"{manifest.id} has no output {OUTPUT!r}")
        if manifest.outputs[OUTPUT].shape[1:] != (len(self._labels),):
            raise ArtefactError("labels_mismatch", f"{manifest.id} has {len(self._labels)} labels, not one per score")

    def encode(self, images: Sequence[NDArray[np.uint8]], outputs: Sequence[str]) -> list[dict[str, NDArray[Any]]]:
        """See Encoder; one run of the graph."""
        found = self._runtime.run({self._input: np.asarray(images)}, outputs)
        return [{name: found[name][at] for name in outputs} for at in range(len(images))]

    def predict(self, requests: Sequence[InferenceRequest[ClassifyOptions]]) -> list[NDArray[np.float32]]:
        """Probabilities, float32 [classes], for each image uint8 [height, width, 3]."""
        return [found[OUTPUT] for found in self.encode([request.input for request in requests], (OUTPUT,))]

    def render(self, raw: NDArray[np.float32], options: ClassifyOptions) -> dict[str, Any]:
        """The labels that score best.

        Args:
            raw: what `predict` gave for one image.
            options: `top_k`, most labels returned; `threshold`, labels that score less are left out.

        Returns:
            {"labels": [{"label", "wnid", "score"}, ...], "model": "NAME@VERSION"}, best first.
        """
        labels = [
            {"label": self._labels[at].name, "wnid": self._labels[at].key, "score": score}
            for at, score in rank(raw, options.top_k, options.threshold)
        ]
        return {"labels": labels, "model": self.manifest.id}
