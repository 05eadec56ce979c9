"""Classify images: probabilities over the labels of the artefact."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.artefacts import Manifest, read_labels
from core.errors import ArtefactError
from core.imaging import ImageSpec
from worker.runtimes.base import Runtime

OUTPUT = "probabilities"


class ImageClassifier:
    """One softmax over a fixed vocabulary, from uint8 pixels."""

    outputs = (OUTPUT,)

    def __init__(self, folder: Path, manifest: Manifest, runtime: Runtime) -> None:
        """Read the labels.

        Raises:
            ArtefactError: `labels_invalid`, `labels_mismatch`, `graph_output_missing` or `manifest_invalid`.
        """
        self.manifest = manifest
        self.streams = runtime.streams
        self._runtime = runtime
        self._labels = read_labels(folder, manifest)
        if not isinstance(manifest.preprocessing, ImageSpec):
            raise ArtefactError("manifest_invalid", f"{manifest.id} classifies images, but does not take any")
        self._spec = manifest.preprocessing
        if OUTPUT not in manifest.outputs:
            raise ArtefactError("graph_output_missing", f"{manifest.id} has no output {OUTPUT!r}")
        if manifest.outputs[OUTPUT].shape[1:] != (len(self._labels),):
            raise ArtefactError("labels_mismatch", f"{manifest.id} has {len(self._labels)} labels, not one per score")

    def example(self) -> NDArray[np.uint8]:
        """A grey gradient, uint8 [height, width, 3]."""
        width, height = self._spec.size
        row = np.linspace(0, 255, width).astype(np.uint8)
        return np.ascontiguousarray(np.broadcast_to(row[None, :, None], (height, width, 3)))

    def collate(self, items: Sequence[NDArray[np.uint8]]) -> NDArray[np.uint8]:
        """Images uint8 [height, width, 3] as one batch uint8 [N, height, width, 3]; a batch stays what it is."""
        return np.asarray(items)

    def predict(self, items: Sequence[NDArray[np.uint8]]) -> Sequence[NDArray[np.float32]]:
        """Probabilities, float32 [classes], for each image uint8 [height, width, 3]."""
        return list(self._runtime.run(self.collate(items), self.outputs)[OUTPUT])

    def render(self, raw: NDArray[np.float32], options: Mapping[str, Any]) -> dict[str, Any]:
        """The labels that score best.

        Args:
            raw: what `predict` gave for one image.
            options: `top_k`, most labels returned; `threshold`, labels that score less are left out.

        Returns:
            {"labels": [{"label", "wnid", "score"}, ...], "model": "NAME@VERSION"}, best first.
        """
        best = np.argsort(-raw, kind="stable")[: options.get("top_k", 5)]
        threshold = options.get("threshold", 0.0)
        labels = [
            {"label": self._labels[at].name, "wnid": self._labels[at].key, "score": round(float(raw[at]), 6)}
            for at in best
            if raw[at] >= threshold
        ]
        return {"labels": labels, "model": self.manifest.id}
