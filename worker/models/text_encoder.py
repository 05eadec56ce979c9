"""Encode texts: a vector for each, which other models stand on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.artefacts.manifest import Manifest
from core.errors import ArtefactError
from core.heads.text_vectors import text_vectors
from core.texts.prepare import PieceIds, TextSpec
from core.texts.word_pieces import WordPieces
from worker.models.model import InferenceRequest, Model
from worker.runtimes.runtime import Runtime


class TextEncoder:
    """A sentence encoder over word pieces."""

    def __init__(self, folder: Path, manifest: Manifest, runtime: Runtime, encoders: Mapping[str, Model]) -> None:
        """Read the vocabulary of word pieces.

        Raises:
            ArtefactError: `manifest_invalid`, it does not take word pieces, or their vocabulary is unusable.
        """
        self.manifest = manifest
        self.streams = runtime.streams
        self._runtime = runtime
        spec = manifest.preprocessing
        if not isinstance(spec, TextSpec) or not isinstance(spec.features, PieceIds) or encoders:
            raise ArtefactError("manifest_invalid", f"{manifest.id} encodes texts, but does not take word pieces")
        self._max_chars, self._longest = spec.max_chars, spec.features.longest
        try:
            self._pieces = WordPieces.read(folder / spec.features.vocabulary)
        except (OSError, ValueError) as error:
            raise ArtefactError("manifest_invalid", f"{manifest.id}: {spec.features.vocabulary}: {error}") from error

    def prepare(self, text: str) -> list[int]:
        """Ids of a text's word pieces; what is too long is cut, and an empty text is a start and an end."""
        return self._pieces.encode(text[: self._max_chars], self._longest)

    def knows(self, text: str) -> bool:
        """Whether any of a text is in the vocabulary; of others the vector says nothing."""
        return self._pieces.knows(text)

    def predict(self, requests: Sequence[InferenceRequest[Any]]) -> list[NDArray[np.float32]]:
        """A vector of length 1 for each text, float32 [size]."""
        return list(text_vectors(self._runtime.run, [request.input for request in requests]))

    def vectors(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Vectors for texts, float32 [len(texts), size]; at least one text."""
        return text_vectors(self._runtime.run, [self.prepare(text) for text in texts])

    def render(self, raw: NDArray[np.float32], options: object) -> dict[str, Any]:
        """{"vector": [...], "model": "NAME@VERSION"}."""
        return {"vector": raw.tolist(), "model": self.manifest.id}
