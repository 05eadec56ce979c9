"""Sample sentences from a decoder as it is, to be rewarded."""

from __future__ import annotations

import numpy as np
from keras import ops
from numpy.typing import NDArray

from core.heads.captions import END, PAD, START, UNKNOWN
from training.common.captions.caption_search import DecoderStep
from training.common.captions.decoder import Decoder

Ids = NDArray[np.int32]


class CaptionSampler:
    """Samples sentences for photos, from the decoder's present weights without dropout."""

    def __init__(self, decoder: Decoder, samples: int, temperature: float) -> None:
        """`samples`: of each photo; `temperature`: what logits are divided by."""
        self._decoder, self._step = decoder, DecoderStep(decoder)
        self._samples, self._temperature = samples, temperature

    def sample(self, memory: NDArray[np.float32], random: np.random.Generator) -> tuple[Ids, Ids]:
        """Sentences for each photo: the words that the decoder read, and those it gave.

        A sentence that does not end in time has no end. An end that is put there was not sampled: learning from it
        would teach that ends are bad, and sentences would get longer and longer.

        Args:
            memory: what the decoder attends to, [N, tokens, C].
            random: decides the words.

        Returns:
            Two int32 [N, samples, positions], PAD behind each sentence.
        """
        shape = (len(memory), self._samples, self._decoder.positions)
        tokens, targets = np.full(shape, PAD, np.int32), np.full(shape, PAD, np.int32)
        parts, numbers = self._decoder.entry
        cache = np.zeros((shape[2], parts, *shape[:2], numbers), np.float32)
        looked_at = {name: ops.convert_to_numpy(value) for name, value in self._decoder.by_heads(memory).items()}
        words, unfinished = np.full(shape[:2], START, np.int32), np.ones(shape[:2], bool)
        for position in range(shape[2]):
            feeds = {"tokens": words, "position": np.array([position], np.int32), "cache": cache, **looked_at}
            out = self._step.predict_on_batch(feeds)
            cache[position] = out["entry"]
            drawn = draw(out["log_probabilities"] / self._temperature, random)
            tokens[:, :, position][unfinished], targets[:, :, position][unfinished] = (
                words[unfinished],
                drawn[unfinished],
            )
            words, unfinished = drawn, unfinished & (drawn != END)
            if not unfinished.any():
                break
        return tokens, targets


def draw(scores: NDArray[np.float32], random: np.random.Generator) -> Ids:
    """A word for each row, as likely as its exponential (Gumbel's trick); of the special words only the end."""
    shaken = scores + random.gumbel(size=scores.shape)
    shaken[..., [PAD, START, UNKNOWN]] = -np.inf
    drawn: Ids = shaken.argmax(axis=-1).astype(np.int32)
    return drawn
