"""Classify images: the labels of an artefact, ranked by the probabilities that the encoder in it gives."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.artefacts.manifest import Manifest, read_labels
from core.errors import ArtefactError
from core.heads.ranking import rank
from core.tasks import ClassifyOptions
from worker.models.image_encoder import ImageEncoder
from worker.models.model import Loaded, OutputReader
from worker.runtimes.runtime import Runtime

PROBABILITIES = "probabilities"


class ImageClassifier(OutputReader):
    """One softmax over a fixed vocabulary; it reads an output of its artefact's encoder and runs nothing itself."""

    output = PROBABILITIES

    def __init__(self, folder: Path, manifest: Manifest, runtime: Runtime, encoders: Mapping[str, Loaded]) -> None:
        """Read the labels.

        Raises:
            ArtefactError: `labels_invalid`, `labels_mismatch`, `graph_output_missing` or `manifest_invalid`.
        """
        self.manifest = manifest
        self.streams = runtime.streams
        self.encoder = ImageEncoder(folder, manifest, runtime, encoders)
        self._labels = read_labels(folder, manifest)
        if PROBABILITIES not in manifest.outputs:
            raise ArtefactError("graph_output_missing", f"{manifest.id} has no output {PROBABILITIES!r}")
        if manifest.outputs[PROBABILITIES].shape[1:] != (len(self._labels),):
            raise ArtefactError("labels_mismatch", f"{manifest.id} has {len(self._labels)} labels, not one per score")

    def render(self, raw: NDArray[np.float32], options: ClassifyOptions) -> dict[str, Any]:
        """The labels that score best.

        Args:
            raw: the probabilities of one image, float32 [classes].
            options: `top_k`, most labels returned; `threshold`, labels that score less are left out.

        Returns:
            {"labels": [{"label", "wnid", "score"}, ...], "model": "NAME@VERSION"}, best first.
        """
        labels = [
            {"label": self._labels[at].name, "wnid": self._labels[at].key, "score": score}
            for at, score in rank(raw, options.top_k, options.threshold)
        ]
        return {"labels": labels, "model": self.manifest.id}
