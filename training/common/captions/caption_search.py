"""Captions from grids, offline: by the worker's beam search, with a decoder in training or with a written graph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from core.heads.beam import Search
from core.heads.captions import Caption, CaptionSettings, Part, Wording, captions_of, encode_grids, encoded
from training.common.captions.caption_scores import caption_scores
from training.common.captions.content_words import Captioned
from training.common.captions.decoder import Decoder

AT_ONCE = 100
BEAMS = 3  # while training; the artefact's is larger


class DecoderStep(keras.Model):  # type: ignore[misc]
    """One word further, with named inputs and outputs, as the exported graph has it; see `Decoder.step`."""

    def __init__(self, decoder: Decoder) -> None:
        super().__init__()
        self._decoder = decoder
        self.compile(jit_compile=False)  # the number of photos changes at every step

    def call(self, inputs: dict[str, Any]) -> dict[str, Any]:
        """Inputs "tokens", "position", "cache" and those of the memory to "log_probabilities" and "entry"."""
        logits, entry = self._decoder.step(inputs["tokens"], inputs["position"], inputs["cache"], inputs)
        return {"log_probabilities": ops.log_softmax(logits), "entry": entry}


def live_parts(decoder: Decoder) -> Part:
    """A decoder with its present weights, called as its exported graph is, but with cells and labels made before."""
    step = DecoderStep(decoder)

    def run(feeds: dict[str, NDArray[Any]], outputs: Sequence[str]) -> dict[str, NDArray[Any]]:
        if "cells" in feeds:
            ids, scores = feeds["label_ids"], feeds["label_scores"]
            seen = np.ones(len(ids), np.float32)
            memory = decoder.by_heads(decoder.encode(feeds["cells"].astype(np.float32), ids, scores, seen))
            found = {encoded(name): ops.convert_to_numpy(value) for name, value in memory.items()}
            return {**found, "label_ids": ids, "label_scores": scores}
        found = step.predict_on_batch(feeds)
        return {name: np.array(found[name]) for name in outputs}  # JAX's arrays are read-only

    return run


def best_captions(
    run: Part, feeds: dict[str, NDArray[Any]], wording: Wording, settings: CaptionSettings
) -> list[Caption]:
    """The best caption of each photo, and its score.

    Args:
        run: the decoder.
        feeds: the inputs of its first part by name, each [N, ...].
        wording: its vocabulary.
        settings: how it searches.
    """
    search = Search(settings.beam_size, settings.most_words, length_penalty=settings.length_penalty)
    best: list[Caption] = []
    for at in range(0, len(next(iter(feeds.values()))), AT_ONCE):
        photos = encode_grids(run, {name: value[at : at + AT_ONCE] for name, value in feeds.items()}, settings)
        best += [found[0] for found in captions_of(run, photos, wording, settings, search)]
    return best


def training_scores(
    decoder: Decoder, feeds: dict[str, NDArray[Any]], words: Sequence[str], photos: Sequence[Captioned]
) -> dict[str, float]:
    """BLEU-1, BLEU-4 and CIDEr of a decoder with its present weights, for the learning curve."""
    settings = CaptionSettings(
        words="",
        labels="",
        most_words=decoder.positions - 1,
        entry=decoder.entry,
        memory=decoder.memory_names(),
        beam_size=BEAMS,
    )
    captions = best_captions(live_parts(decoder), feeds, Wording(tuple(words), None), settings)
    scores = caption_scores([caption.text for caption in captions], [photo.captions for photo in photos])
    return {name: scores[name] for name in ("bleu_1", "bleu_4", "cider")}
