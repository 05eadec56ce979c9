"""Caption images: sentences decoded from an encoder's grid, a word at a time for the whole batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from core.artefacts.manifest import Manifest
from core.errors import ArtefactError, ItemError
from core.heads.beam import Search
from core.heads.captions import Caption, CaptionSettings, captions_of, encode_grids, read_wording
from core.heads.ranking import DIGITS
from core.tasks import CaptionOptions
from worker.models.encoders import image_feature
from worker.models.model import InferenceRequest, Loaded
from worker.runtimes.runtime import Runtime


class Captioner:
    """A decoder in two parts: one encodes photos, the other gives the next word of every beam of every photo."""

    def __init__(self, folder: Path, manifest: Manifest, runtime: Runtime, encoders: Mapping[str, Loaded]) -> None:
        """Read the vocabulary.

        Raises:
            ArtefactError: `manifest_invalid`, its settings or its vocabulary are unusable; `encoder_missing` or
                `encoder_mismatch`.
        """
        self.manifest = manifest
        self.streams = runtime.streams
        self._runtime = runtime
        if "image" not in encoders:
            raise ArtefactError("encoder_missing", f"{manifest.id} names no image encoder")
        self._feature = image_feature(manifest, encoders["image"].manifest)
        try:
            self._settings = CaptionSettings.model_validate(manifest.settings)
            self._wording = read_wording(folder, self._settings)
        except (ValidationError, OSError, ValueError) as error:
            raise ArtefactError("manifest_invalid", f"{manifest.id}: settings or vocabulary: {error}") from error
        spec = manifest.outputs.get("log_probabilities")
        files = self._settings.files()
        if spec is None or spec.shape[-1] != len(self._wording.words) or not {*files} <= manifest.files.keys():
            raise ArtefactError("manifest_invalid", f"{manifest.id}: its vocabulary is not that of its graph")

    def predict(self, requests: Sequence[InferenceRequest[CaptionOptions]]) -> list[list[Caption]]:
        """For each grid of the encoder the sentences of a beam search, best first; as many as there are beams at most.

        All photos are encoded in one run. Those that ask for the same search are decoded together; a photo's
        captions depend on nothing else in the batch.
        """
        grids = np.stack([request.input for request in requests])
        encoded = encode_grids(self._runtime.run, {self._feature: grids}, self._settings)
        groups: dict[Search, list[int]] = {}
        for at, request in enumerate(requests):
            groups.setdefault(self._search(request.options), []).append(at)
        found: dict[int, list[Caption]] = {}
        for search, group in groups.items():
            some = encoded if len(group) == len(requests) else encoded.of(group)
            captions = captions_of(self._runtime.run, some, self._wording, self._settings, search)
            found.update(zip(group, captions, strict=True))
        return [found[at] for at in range(len(requests))]

    def render(self, raw: Sequence[Caption], options: CaptionOptions) -> dict[str, Any]:
        """The best sentence, and how sure the model is of its words.

        Args:
            raw: what `predict` gave for one photo.
            options: `candidates`, how many sentences to list.

        Returns:
            {"text", "score", "model": "NAME@VERSION"}, and "candidates": [{"text", "score"}, ...], best first, if more
            than one is asked for.

        Raises:
            ItemError: `inference_failed`, the search found no sentence.
        """
        if not raw:
            raise ItemError("inference_failed", "The model found no sentence for this image.")
        sentences = [{"text": caption.text, "score": round(caption.score, DIGITS)} for caption in raw]
        result = {**sentences[0], "model": self.manifest.id}
        wanted = options.candidates
        return {**result, "candidates": sentences[:wanted]} if wanted > 1 else result

    def _search(self, options: CaptionOptions) -> Search:
        """The search that a job's options ask for; how many candidates it shows makes no difference to it."""
        return Search(
            beam_size=options.beam_size,
            max_words=min(options.max_words, self._settings.most_words),
            candidates=options.beam_size,
            length_penalty=self._settings.length_penalty,
        )
