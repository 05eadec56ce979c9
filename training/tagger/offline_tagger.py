"""Run a tagger's artefact offline, with the encoders that it stands on, exactly as they are shipped."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core.artefacts.manifest import load_manifest
from core.artefacts.vocabularies import Vocabulary, read_vocabulary
from core.heads.tags import TagSettings
from training.common.find_artefact import encoder_folder
from training.common.offline_variants import PLAIN, Variants, artefact_parts
from training.common.photos.offline_encoder import encode_photos
from training.common.texts.offline_text_encoder import OfflineTextEncoder

Embeddings = NDArray[np.float32]


class OfflineTagger:
    """A tagger's artefact and the two that it stands on."""

    def __init__(self, folder: Path, variants: Variants = PLAIN) -> None:
        """`variants` says in what precision it and the encoder of photos run."""
        self.manifest = load_manifest(folder)
        self.settings = TagSettings.model_validate(self.manifest.settings)
        self._folder = folder
        self._variants = variants
        self._run = artefact_parts(folder, self.manifest, variants)
        self._encoder = encoder_folder(folder, self.manifest)
        self._vectors = OfflineTextEncoder(encoder_folder(folder, self.manifest, "text"))

    def embed(self, paths: Sequence[Path]) -> Embeddings:
        """Embeddings of photos, float32 [N, size]."""
        return self.place(encode_photos(self._encoder, load_manifest(self._encoder), paths, "pooled", self._variants))

    def place(self, pooled: NDArray[np.float32]) -> Embeddings:
        """Embeddings of what the encoder gives for photos, float32 [N, width] to [N, size]."""
        return self._run({"pooled": pooled}, ("embedding",))["embedding"]

    def own(self, labels: Sequence[str]) -> Vocabulary:
        """A vocabulary of any labels."""
        vectors = self._vectors([self.settings.phrase(label) for label in labels])
        return Vocabulary(tuple(labels), self._run({"label": vectors}, ("direction",))["direction"])

    def named(self, name: str) -> Vocabulary:
        """A vocabulary of the artefact."""
        return read_vocabulary(self._folder, name, self.settings.vocabularies[name], self.settings.size)
