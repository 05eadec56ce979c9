"""Tag images: labels of any vocabulary, ranked by how sure the model is that each is true."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from core.artefacts.manifest import Manifest
from core.artefacts.vocabularies import Vocabulary, read_vocabulary
from core.errors import ArtefactError, ItemError
from core.heads.ranking import rank
from core.heads.tags import TagSettings, distinct_labels
from core.tasks import TagOptions
from worker.models.encoders import image_feature
from worker.models.model import InferenceRequest, Loaded, Output
from worker.models.text_encoder import TextEncoder
from worker.models.vocabulary_cache import VocabularyCache
from worker.runtimes.runtime import Runtime

EMBEDDING, DIRECTION, LABEL = "embedding", "direction", "label"
Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class ScoredLabels:
    """The labels that were asked for, the score of each, float32 [labels], and the image's embedding [size]."""

    labels: Sequence[str]
    scores: Floats
    embedding: NDArray[np.floating]


class Tagger:
    """Images and labels in one space: a tower for an encoder's pooled features, another for vectors of labels.

    `embed` needs the image, `score` only its embedding. With that stored, an image can be tagged again by another
    vocabulary, or searched by a text's `direction`, without reading it.
    """

    def __init__(self, folder: Path, manifest: Manifest, runtime: Runtime, encoders: Mapping[str, Loaded]) -> None:
        """Read the named vocabularies.

        Raises:
            ArtefactError: `manifest_invalid`, its settings or a vocabulary are unusable; `encoder_missing` or
                `encoder_mismatch`.
        """
        self.manifest = manifest
        self.streams = runtime.streams
        self._runtime = runtime
        if encoders.keys() != {"image", "text"}:
            raise ArtefactError("encoder_missing", f"{manifest.id} has to name an image and a text encoder")
        text = encoders["text"]
        if not isinstance(text, TextEncoder):
            raise ArtefactError("encoder_mismatch", f"{text.manifest.id} is a {text.manifest.kind}, not a text encoder")
        self._text = text
        self._feature = image_feature(manifest, encoders["image"].manifest)
        try:
            self._settings = settings = TagSettings.model_validate(manifest.settings)
            named = settings.vocabularies.items()
            self._named = {name: read_vocabulary(folder, name, spec, settings.size) for name, spec in named}
        except (ValidationError, OSError, ValueError, KeyError) as error:
            raise ArtefactError("manifest_invalid", f"{manifest.id}: settings or vocabulary: {error}") from error
        self._custom = VocabularyCache(self._embed_labels)
        for vocabulary in self._named.values():  # a text encoder of another kind is found out while the model warms up
            self._custom.get(vocabulary.labels[:1])

    def embed(self, features: Sequence[Floats]) -> Floats:
        """Where images lie in the space: rows of the encoder's output to embeddings, float32 [N, size]."""
        return self._runtime.run({self._feature: np.stack(features)}, (EMBEDDING,))[EMBEDDING]

    def score(self, embeddings: NDArray[np.floating], vocabulary: Vocabulary) -> Floats:
        """How sure it is that each label is true of each image.

        Args:
            embeddings: of this tagger, [N, size], float32 as `embed` gives them or float16 as they are stored.
            vocabulary: from `vocabulary` of this tagger.

        Returns:
            float32 [N, labels], 0 to 1. In another batch the last bits may differ.

        Raises:
            ValueError: the embeddings are of another size.
        """
        if embeddings.ndim != 2 or embeddings.shape[1] != self._settings.size:
            raise ValueError(f"{self.manifest.id} scores [N, {self._settings.size}], not {embeddings.shape}")
        return vocabulary.scores(embeddings.astype(np.float32, copy=False))

    def vocabulary(self, wanted: str | Sequence[str]) -> Vocabulary:
        """A named vocabulary of the artefact, or labels of a caller's own, embedded now unless they were lately.

        Raises:
            ItemError: `labels_unreadable`, none of the labels is known to the text encoder.
            KeyError: the artefact has no vocabulary of that name.
        """
        return self._named[wanted] if isinstance(wanted, str) else self._custom.get(tuple(wanted))

    def direction(self, text: str) -> Floats:
        """Where a text points in the space, float32 [size + 1], its bias last; what it scores is as for a label.

        Raises:
            ItemError: `labels_unreadable`.
        """
        direction: Floats = self.vocabulary((text,)).directions[0]
        return direction

    def predict(self, requests: Sequence[InferenceRequest[TagOptions]]) -> list[ScoredLabels]:
        """Embed images, and score every label of the vocabulary that each request asks for.

        Raises:
            ItemError: `labels_unreadable`.
        """
        embeddings = self.embed([request.input for request in requests])
        return [self.tag(embedding, request.options) for embedding, request in zip(embeddings, requests, strict=True)]

    def tag(self, embedding: NDArray[np.floating], options: TagOptions) -> ScoredLabels:
        """What `predict` gives for an image of which the embedding is at hand, [size].

        Raises:
            ItemError: `labels_unreadable`.
        """
        vocabulary = self.vocabulary(options.vocabulary)
        # One image at a time: a product of matrices may round differently in another batch.
        return ScoredLabels(vocabulary.labels, self.score(embedding[None], vocabulary)[0], embedding)

    def render(self, raw: ScoredLabels, options: TagOptions) -> Output:
        """The labels that score best.

        Args:
            raw: what `predict` gave for one image.
            options: `top_k`, most labels returned; `threshold`, labels that score less are left out.

        Returns:
            {"labels": [{"label", "score"}, ...], "model": "NAME@VERSION"}, best first, and the image's embedding. Of
            labels of the caller that read the same only the first is there, and none that the text encoder cannot read.
        """
        best = rank(raw.scores, options.top_k, options.threshold)
        labels = [{"label": raw.labels[at], "score": score} for at, score in best]
        return Output({"labels": labels, "model": self.manifest.id}, raw.embedding.astype(np.float16))

    def _embed_labels(self, given: tuple[str, ...]) -> Vocabulary:
        labels = tuple(label for label in distinct_labels(given) if self._text.knows(label))
        if not labels:
            raise ItemError("labels_unreadable", "None of the labels can be read; send words of a Latin script.")
        vectors = self._text.vectors([self._settings.phrase(label) for label in labels])
        return Vocabulary(labels, self._runtime.run({LABEL: vectors}, (DIRECTION,))[DIRECTION])
