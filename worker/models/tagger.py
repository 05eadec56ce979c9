"""Tag images: labels of any vocabulary, ranked by how sure the model is that each is true."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from core.artefacts.manifest import Manifest
from core.errors import ArtefactError, ItemError
from core.heads.tags import TagSettings, Vocabulary, own_labels, rank, read_vocabulary
from core.tasks import TagOptions
from worker.models.encoders import image_feature
from worker.models.model import InferenceRequest, Model
from worker.models.text_encoder import TextEncoder
from worker.runtimes.runtime import Runtime

EMBEDDING, DIRECTION, LABEL = "embedding", "direction", "label"
KEPT_LISTS = 64  # of 1,000 labels at most: some 50 MB


@dataclass(frozen=True, slots=True)
class Tagged:
    """The labels that were asked for, and the score of each, float32 [labels]."""

    labels: Sequence[str]
    scores: NDArray[np.float32]


class Tagger:
    """Images and labels in one space: a tower for an encoder's pooled features, another for vectors of labels."""

    def __init__(self, folder: Path, manifest: Manifest, runtime: Runtime, encoders: Mapping[str, Model]) -> None:
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
            self._settings = TagSettings.model_validate(manifest.settings)
            files = self._settings.vocabularies.items()
            self._named = {name: read_vocabulary(folder, where, self._settings.size) for name, where in files}
        except (ValidationError, OSError, ValueError, KeyError) as error:
            raise ArtefactError("manifest_invalid", f"{manifest.id}: settings or vocabulary: {error}") from error
        self._own = OwnVocabularies(self._embed)
        for vocabulary in self._named.values():  # a text encoder of another kind is found out while the model warms up
            self._own.get(vocabulary.labels[:1])

    def predict(self, requests: Sequence[InferenceRequest]) -> list[Tagged]:
        """Scores of every label of the vocabulary that each request asks for.

        Raises:
            ItemError: `labels_unreadable`, a list has no label that the text encoder knows.
        """
        pooled = np.stack([request.input for request in requests])
        embeddings = self._runtime.run({self._feature: pooled}, (EMBEDDING,))[EMBEDDING]
        vocabularies = [self._vocabulary(request.options) for request in requests]
        # One image at a time: a product of matrices may round differently in another batch.
        return [
            Tagged(vocabulary.labels, vocabulary.scores(embedding[None])[0])
            for vocabulary, embedding in zip(vocabularies, embeddings, strict=True)
        ]

    def render(self, raw: Tagged, options: Mapping[str, Any]) -> dict[str, Any]:
        """The labels that score best.

        Args:
            raw: what `predict` gave for one image.
            options: `top_k`, most labels returned; `threshold`, labels that score less are left out.

        Returns:
            {"labels": [{"label", "score"}, ...], "model": "NAME@VERSION"}, best first. Of labels of the caller that
            read the same only the first is there, and none that the text encoder cannot read.
        """
        asked = _read(options)
        return {"labels": rank(raw.labels, raw.scores, asked.top_k, asked.threshold), "model": self.manifest.id}

    def _vocabulary(self, options: Mapping[str, Any]) -> Vocabulary:
        wanted = _read(options).vocabulary
        return self._named[wanted] if isinstance(wanted, str) else self._own.get(tuple(wanted))

    def _embed(self, given: tuple[str, ...]) -> Vocabulary:
        labels = tuple(label for label in own_labels(given) if self._text.knows(label))
        if not labels:
            raise ItemError("labels_unreadable", "None of the labels can be read; send words of a Latin script.")
        vectors = self._text.vectors([self._settings.phrase(label) for label in labels])
        return Vocabulary(labels, self._runtime.run({LABEL: vectors}, (DIRECTION,))[DIRECTION])


class OwnVocabularies:
    """The lists of callers, embedded once each and kept while they are in use; safe to share between threads."""

    def __init__(self, embed: Callable[[tuple[str, ...]], Vocabulary], kept: int = KEPT_LISTS) -> None:
        """`embed` makes a vocabulary of labels; of the last `kept` lists that were asked for it is called once."""
        self._embed = embed
        self._kept = kept
        self._lock = threading.Lock()
        self._lists: OrderedDict[tuple[str, ...], Future[Vocabulary]] = OrderedDict()

    def get(self, labels: tuple[str, ...]) -> Vocabulary:
        """The vocabulary of these labels; who asks while another thread embeds them waits for that."""
        with self._lock:
            future = self._lists.get(labels)
            mine = future is None
            if future is None:
                future = self._lists[labels] = Future()
            self._lists.move_to_end(labels)
            while len(self._lists) > self._kept:
                self._lists.popitem(last=False)
        if mine:
            self._fill(labels, future)
        return future.result()

    def _fill(self, labels: tuple[str, ...], future: Future[Vocabulary]) -> None:
        try:
            future.set_result(self._embed(labels))
        except BaseException as error:
            with self._lock:  # the next one to ask tries again
                if self._lists.get(labels) is future:
                    del self._lists[labels]
            future.set_exception(error)


def _read(options: Mapping[str, Any]) -> TagOptions:
    return TagOptions.model_validate(dict(options))
