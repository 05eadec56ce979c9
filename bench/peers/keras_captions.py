"""Photos a second of captions as tutorials make them: one photo, one word at a time, all words before it run again.

    python -m bench.peers.keras_captions FOLDER COUNT BEAMS

The weights are the shipped captioner's, in Keras, and each word is a `model.predict`. With one beam it takes the
likeliest word, as tutorials do; with four it searches as the service does, each beam a call. What is known of a photo
is computed once. Prints the figure; loading, and the first photo, are not timed.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np

from core.artefacts.catalogue import Catalogue
from core.artefacts.manifest import load_manifest
from core.heads.beam import Search, beam_search
from core.heads.captions import PAD, START, UNKNOWN, CaptionSettings
from core.images.decode import ImageSpec, decode_image
from core.settings import load_settings
from training.captioner.caption_labels import label_word_ids
from training.captioner.experiments.caption_words import EXPERIMENT
from training.captioner.written_decoder import read_decoder, start_from
from training.common.captions.decoder import Decoder
from training.common.graph_runner import graph_parts

MAX_PIXELS = 10**8


def captioner() -> Callable[[Path, int], list[int]]:
    """From a photo and a number of beams to the words of a caption."""
    catalogue = Catalogue(load_settings().models_dir)
    folder, encoder = catalogue.resolve("caption").folder, catalogue.resolve("classify").folder
    manifest, spec = load_manifest(folder), load_manifest(encoder).preprocessing
    assert isinstance(spec, ImageSpec)
    settings = CaptionSettings.model_validate(manifest.settings)
    look, hear = graph_parts(encoder / load_manifest(encoder).graph), graph_parts(folder / manifest.graph)
    decoder = _decoder(folder)
    describe, say = Describe(decoder), Say(decoder)

    def next_word(memory: Any, words: list[int]) -> Any:
        tokens = np.full((1, 1, decoder.positions), PAD, np.int32)
        tokens[0, 0, : len(words)] = words
        logits = say.predict({"memory": memory, "tokens": tokens}, verbose=0)[0, 0, len(words) - 1]
        logits[[PAD, START, UNKNOWN]] = -np.inf
        return logits - np.log(np.exp(logits - logits.max()).sum()) - logits.max()

    def caption(path: Path, beams: int) -> list[int]:
        pixels = decode_image(path.read_bytes(), spec, MAX_PIXELS).pixels
        grid = look({"image": pixels[None]}, ("grid",))["grid"]
        heard = hear({"grid": grid}, ("label_ids", "label_scores"))
        memory = describe.predict({"cells": grid.reshape(1, decoder.cells, -1), **heard}, verbose=0)
        said: list[list[int]] = [[] for _ in range(beams)]

        def step(tokens: Any, parents: Any, photos: Any, position: int) -> Any:
            said[:] = [[*said[parent], int(token)] for parent, token in zip(parents[0], tokens[0], strict=True)]
            return np.array([[next_word(memory, words) for words in said]], np.float32)

        search = Search(beams, settings.most_words, length_penalty=settings.length_penalty)
        return list(beam_search(step, 1, search)[0][0].tokens)

    return caption


def _decoder(folder: Path) -> Decoder:
    """The shipped decoder, in Keras."""
    start = read_decoder(folder)
    labels, kernel = start.labels(), start.grid_kernel()
    assert labels is not None
    sayings = label_word_ids(labels[0].every, start.words)
    plan = EXPERIMENT.plan
    cells = int(np.prod(load_manifest(folder).inputs["grid"].shape[1:3]))  # type: ignore[arg-type]
    decoder = Decoder(plan.net, len(start.words), plan.most_words + 1, cells, sayings)
    decoder.build((None, cells, kernel.shape[0]))
    start_from(decoder, start.words, start, kernel)
    return decoder


class Describe(keras.Model):  # type: ignore[misc]
    """What words attend to, of one photo."""

    def __init__(self, decoder: Decoder) -> None:
        super().__init__()
        self._decoder = decoder

    def call(self, inputs: dict[str, Any]) -> Any:
        seen = keras.ops.ones_like(inputs["cells"][:, 0, 0])
        return self._decoder.encode(inputs["cells"], inputs["label_ids"], inputs["label_scores"], seen)


class Say(keras.Model):  # type: ignore[misc]
    """Logits of every next word of a sentence."""

    def __init__(self, decoder: Decoder) -> None:
        super().__init__()
        self._decoder = decoder

    def call(self, inputs: dict[str, Any]) -> Any:
        return self._decoder(inputs["memory"], inputs["tokens"])


def main() -> None:
    folder, count, beams = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    paths = sorted(folder.glob("*.jpg"))[: count + 1]
    caption = captioner()
    caption(paths[0], beams)
    started = time.perf_counter()
    words = [caption(path, beams) for path in paths[1:]]
    took = time.perf_counter() - started
    assert all(words)
    print(f"{len(words) / took:.3f}")


if __name__ == "__main__":
    main()
