"""Captions from a decoder in training, by the search that the worker uses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from core.beam import Search
from core.captions import CaptionSettings, captions_of
from training.vision.decoder import Decoder

AT_ONCE = 100
BEAMS = 3


class Step(keras.Model):  # type: ignore[misc]
    """One word further, with named inputs and outputs, as the exported graph has it; see `Decoder.step`."""

    def __init__(self, decoder: Decoder) -> None:
        super().__init__()
        self._decoder = decoder
        self.compile(jit_compile=False)  # the number of photos changes at every step

    def call(self, inputs: dict[str, Any]) -> dict[str, Any]:
        """Inputs "tokens", "position", "cache", "memory" to "log_probabilities" and "entry"."""
        logits, entry = self._decoder.step(inputs["tokens"], inputs["position"], inputs["cache"], inputs["memory"])
        return {"log_probabilities": ops.log_softmax(logits), "entry": entry}


def decode_photos(
    decoder: Decoder, grids: NDArray[np.floating[Any]], words: Sequence[str], most_words: int, beams: int = BEAMS
) -> list[str]:
    """The best caption of each photo, from grids [N, rows, columns, features]."""
    step = Step(decoder)
    settings = CaptionSettings(words="", most_words=most_words, entry=decoder.entry)
    search = Search(beams, most_words, length_penalty=settings.length_penalty)

    def run(feeds: dict[str, NDArray[Any]], outputs: Sequence[str]) -> dict[str, NDArray[Any]]:
        found: dict[str, NDArray[Any]] = step.predict_on_batch(feeds)
        return found

    said: list[str] = []
    for at in range(0, len(grids), AT_ONCE):
        encoded = ops.convert_to_numpy(decoder.encode(ops.cast(grids[at : at + AT_ONCE], "float32")))
        said += [found[0].text for found in captions_of(run, encoded, words, settings, search)]
    return said
