"""Classify texts: calibrated probabilities over the labels of the artefact."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.artefacts.manifest import Manifest, read_labels
from core.errors import ArtefactError, ItemError
from core.heads.ranking import rounded
from core.tasks import TaskOptions
from core.texts.padded import bag_batches, padded_batches
from core.texts.prepare import CharGrams, PreparedText, TextSpec, prepare_text
from core.texts.prepare_many import prepare_texts
from core.texts.prepared import PreparedTexts
from worker.models.model import InferenceRequest, Loaded
from worker.runtimes.runtime import Runtime

OUTPUT = "probabilities"


@dataclass(frozen=True, slots=True)
class TextProbabilities:
    """Probabilities, float32 [labels], and whether the text was cut before it was classified."""

    probabilities: NDArray[np.float32]
    truncated: bool


@dataclass(frozen=True, slots=True)
class ManyProbabilities:
    """The same for several texts: float32 [N, labels], and bool [N]."""

    probabilities: NDArray[np.float32]
    truncated: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.truncated)

    def __getitem__(self, place: slice) -> ManyProbabilities:
        return ManyProbabilities(self.probabilities[place], self.truncated[place])


class TextClassifier:
    """Probabilities over a few labels, from ids of characters, words or n-grams."""

    def __init__(self, folder: Path, manifest: Manifest, runtime: Runtime, encoders: Mapping[str, Loaded]) -> None:
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
        self._batches = bag_batches if isinstance(self._spec.features, CharGrams) else padded_batches
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

    def prepare_texts(self, texts: Sequence[str]) -> tuple[PreparedTexts, Mapping[int, ItemError]]:
        """As `prepare`, for many texts at once; see worker.models.many_texts."""
        return prepare_texts(texts, self._spec)

    def join_texts(self, parts: Sequence[PreparedTexts]) -> PreparedTexts:
        """One batch of several."""
        return PreparedTexts.join(parts)

    def predict(self, requests: Sequence[InferenceRequest[TaskOptions]]) -> list[TextProbabilities]:
        """Each text's probabilities, in order."""
        items: list[PreparedText] = [request.input for request in requests]
        found = self.predict_texts(PreparedTexts.of(items))
        return [TextProbabilities(row, item.truncated) for row, item in zip(found.probabilities, items, strict=True)]

    def predict_texts(self, batch: PreparedTexts) -> ManyProbabilities:
        """Each text's probabilities, in order. Texts of about the same length run together, so padding stays cheap."""
        found = np.empty((len(batch), len(self._labels)), np.float32)
        for places, ids in self._batches(batch):
            rows = self._runtime.run({self._input: ids}, (OUTPUT,))[OUTPUT]
            found[places] = rows[: len(places)]
        return ManyProbabilities(found, batch.truncated)

    def render(self, raw: TextProbabilities, options: TaskOptions) -> dict[str, Any]:
        """The label, and what every label scores.

        Args:
            raw: what `predict` gave for one text.
            options: each task has one of these: `top_k`, most labels returned; `threshold`, from which score on the
                second of two labels is given, instead of the artefact's own.

        Returns:
            {"label", "score", "labels": [{"label", "score"}, ...], "model": "NAME@VERSION"}, best first, and
            "truncated": True if the text was longer than the model takes.
        """
        one = ManyProbabilities(raw.probabilities[None], np.array([raw.truncated]))
        return self.render_texts(one, options)[0]

    def render_texts(self, raw: ManyProbabilities, options: TaskOptions) -> list[dict[str, Any]]:
        """As `render`, for many texts at once."""
        threshold, top_k = getattr(options, "threshold", None), getattr(options, "top_k", None)
        threshold = self.manifest.threshold if threshold is None else threshold
        ranked = np.argsort(-raw.probabilities, axis=1, kind="stable")
        scores = rounded(raw.probabilities)
        # The best label, or what a threshold on the second of two says.
        chosen = ranked[:, 0]
        if threshold is not None and scores.shape[1] == 2:
            chosen = (scores[:, 1] >= threshold).astype(np.int64)
        labels, model = self._labels, self.manifest.id
        results: list[dict[str, Any]] = [
            {
                "label": labels[first],
                "score": row[first],
                "labels": [{"label": labels[at], "score": row[at]} for at in order],
                "model": model,
            }
            for first, row, order in zip(chosen.tolist(), scores.tolist(), ranked[:, :top_k].tolist(), strict=True)
        ]
        for place in np.flatnonzero(raw.truncated).tolist():
            results[place]["truncated"] = True
        return results
