"""Classify texts: calibrated probabilities over the labels of the artefact."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.artefacts.manifest import Manifest, read_labels
from core.errors import ArtefactError
from core.heads.ranking import rank
from core.tasks import TaskOptions
from core.texts.prepare import PreparedText, TextSpec, pad_batch, padded_length, prepare_text
from worker.models.model import InferenceRequest, Model
from worker.runtimes.runtime import Runtime

OUTPUT = "probabilities"


@dataclass(frozen=True, slots=True)
class JudgedText:
    """Probabilities, float32 [labels], and whether the text was cut before it was judged."""

    probabilities: NDArray[np.float32]
    truncated: bool


class TextClassifier:
    """Probabilities over a few labels, from ids of characters, words or n-grams."""

    def __init__(self, folder: Path, manifest: Manifest, runtime: Runtime, encoders: Mapping[str, Model]) -> None:
        """Read the labels.

        Raises:
            ArtefactError: `labels_invalid`, `labels_mismatch`, `graph_output_missing` or `manifest_invalid`.
        """
        self.manifest = manifest
        self.streams = runtime.streams
        self._runtime = runtime
        self._labels = [label.name for label in read_labels(folder, manifest)]
        if not isinstance(manifest.preprocessing, TextSpec) or len(manifest.inputs) != 1 or encoders:
            raise ArtefactError("manifest_invalid", f"{manifest.id} classifies texts, but does not take just those")
        (self._input,) = manifest.inputs
        self._spec = manifest.preprocessing
        if OUTPUT not in manifest.outputs:
            raise ArtefactError("graph_output_missing", f"{manifest.id} has no output {OUTPUT!r}")
        if manifest.outputs[OUTPUT].shape[1:] != (len(self._labels),):
            raise ArtefactError("labels_mismatch", f"{manifest.id} has {len(self._labels)} labels, not one per score")

    def prepare(self, text: str) -> PreparedText:
        """What `predict` takes for a text.

        Raises:
            ItemError: `text_empty` or `text_no_latin_letters`.
        """
        return prepare_text(text, self._spec)

    def predict(self, requests: Sequence[InferenceRequest[TaskOptions]]) -> list[JudgedText]:
        """Each text's probabilities, in order. Texts of about the same length run together, so padding stays cheap."""
        items: list[PreparedText] = [request.input for request in requests]
        groups: dict[int, list[int]] = {}
        for at, item in enumerate(items):
            groups.setdefault(padded_length(len(item.ids)), []).append(at)
        judged: dict[int, JudgedText] = {}
        for length, group in groups.items():
            ids = pad_batch([items[at].ids for at in group], length)  # padding changes no result
            found = self._runtime.run({self._input: ids}, (OUTPUT,))[OUTPUT]
            for at, probabilities in zip(group, found, strict=True):
                judged[at] = JudgedText(probabilities, items[at].truncated)
        return [judged[at] for at in range(len(items))]

    def render(self, raw: JudgedText, options: TaskOptions) -> dict[str, Any]:
        """The label, and what every label scores.

        Args:
            raw: what `predict` gave for one text.
            options: each task has one of these: `top_k`, most labels returned; `threshold`, from which score on the
                second of two labels is given, instead of the artefact's own.

        Returns:
            {"label", "score", "labels": [{"label", "score"}, ...], "model": "NAME@VERSION"}, best first, and
            "truncated": True if the text was longer than the model takes.
        """
        ranked = rank(raw.probabilities)
        scores = dict(ranked)
        chosen = self._choose(scores, ranked[0][0], getattr(options, "threshold", None))
        shown = ranked[: getattr(options, "top_k", None)]
        result = {
            "label": self._labels[chosen],
            "score": scores[chosen],
            "labels": [{"label": self._labels[at], "score": score} for at, score in shown],
            "model": self.manifest.id,
        }
        return {**result, "truncated": True} if raw.truncated else result

    def _choose(self, scores: Mapping[int, float], best: int, wanted: float | None) -> int:
        """The label that is given: the best one, or what a threshold on the second of two says."""
        threshold = self.manifest.threshold if wanted is None else wanted
        if threshold is None or len(scores) != 2:
            return best
        return int(scores[1] >= threshold)
