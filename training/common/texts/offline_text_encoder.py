"""Run the text encoder's artefact offline, exactly as it is shipped: the same word pieces, the same graph."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
from numpy.typing import NDArray

from core.artefacts.manifest import load_manifest
from core.heads.text_vectors import STATES, text_vectors
from core.texts.prepare import PieceIds, TextSpec
from core.texts.word_pieces import WordPieces
from training.common.progress import Progress

Floats = NDArray[np.float32]
AT_ONCE = 512


class OfflineTextEncoder:
    """From labels and sentences to vectors; what was computed once is kept, in a file if there is one.

    Attributes:
        size: numbers in a vector.
    """

    def __init__(self, folder: Path, cache: Path | None = None) -> None:
        """Load the artefact in `folder`; `cache` is a file of vectors by this same artefact."""
        manifest = load_manifest(folder)
        spec = manifest.preprocessing
        assert isinstance(spec, TextSpec)
        assert isinstance(spec.features, PieceIds)
        self._max_chars, self._longest = spec.max_chars, spec.features.longest
        size = manifest.outputs[STATES].shape[-1]
        assert size is not None
        self.size: int = size
        self._pieces = WordPieces.read(folder / spec.features.vocabulary)
        self._graph = folder / manifest.graph
        self._compiled: Any = None
        self._cache = cache
        self._known: dict[str, Floats] = {}
        if cache and cache.exists():
            with np.load(cache) as stored:
                self._known = dict(zip(stored["texts"].tolist(), stored["vectors"], strict=True))

    def __call__(self, texts: Sequence[str]) -> Floats:
        """A vector of length 1 for each text, float32 [len(texts), size]."""
        new = [text for text in dict.fromkeys(texts) if text not in self._known]
        if new:
            self._compute(new)
            self._keep()
        return np.stack([self._known[text] for text in texts])

    def _compute(self, texts: Sequence[str]) -> None:
        ids = {text: self._pieces.encode(text[: self._max_chars], self._longest) for text in texts}
        order = sorted(texts, key=lambda text: len(ids[text]))
        with Progress("texts", -(-len(order) // AT_ONCE)) as progress:
            for start in range(0, len(order), AT_ONCE):
                some = order[start : start + AT_ONCE]
                self._known.update(zip(some, text_vectors(self._run, [ids[text] for text in some]), strict=True))
                progress.step(f"{start}/{len(order)}")

    def _run(self, feeds: Any, outputs: Sequence[str]) -> dict[str, NDArray[Any]]:
        self._compiled = self._compiled or ov.Core().compile_model(
            self._graph, "CPU", {"INFERENCE_PRECISION_HINT": "f32"}
        )
        found = self._compiled(dict(feeds))
        return {name: np.array(found[name]) for name in outputs}

    def _keep(self) -> None:
        if self._cache is None:
            return
        self._cache.parent.mkdir(parents=True, exist_ok=True)
        draft = self._cache.with_suffix(".tmp.npz")
        texts = list(self._known)
        np.savez(draft, texts=np.array(texts), vectors=np.stack([self._known[text] for text in texts]))
        os.replace(draft, self._cache)
