"""Captions: the settings of a captioner's artefact, and how its outputs become sentences.

Training measures with this code and the worker serves with it, so a caption is the same in both.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from core.heads.beam import Hypothesis, Search, beam_search

PAD, START, END, UNKNOWN = range(4)
SPECIAL = ("<pad>", "<start>", "<end>", "<unknown>")

Part = Callable[[dict[str, NDArray[Any]], Sequence[str]], dict[str, NDArray[Any]]]


class CaptionSettings(BaseModel):
    """The `settings` of a captioner's manifest.

    Attributes:
        words: the file of its vocabulary, a word a line; ids 0 to 3 are padding, start, end and unknown.
        most_words: the longest sentence that the graph's cache has room for.
        entry: numbers that the cache keeps of a word.
        beam_size: beams that its card's numbers are of; what the task has unless a job asks for another number.
        length_penalty: what was best on the validation split.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    words: str
    most_words: int = Field(ge=1, le=100)
    entry: int = Field(ge=1)
    beam_size: int = Field(default=4, ge=1, le=8)
    length_penalty: float = Field(default=1.0, ge=0, le=2)


@dataclass(frozen=True, slots=True)
class Caption:
    """A sentence, and how sure the model is: the geometric mean of the probabilities of its words, 0 to 1."""

    text: str
    score: float


def read_words(path: Path) -> tuple[str, ...]:
    """A vocabulary, the special words first; ValueError if they are not there."""
    words = tuple(path.read_text(encoding="utf-8").splitlines())
    if words[: len(SPECIAL)] != SPECIAL:
        raise ValueError(f"{path.name} does not start with {', '.join(SPECIAL)}")
    return words


def captions_of(
    run: Part, encoded: NDArray[np.float32], words: Sequence[str], settings: CaptionSettings, search: Search
) -> list[list[Caption]]:
    """Sentences for photos, decoded together.

    Args:
        run: the captioner's graph, from named inputs and wanted outputs to named outputs; see `decoder_step`.
        encoded: float32 [N, cells, C], what the first part of the graph gave for the photos.
        words: the vocabulary.
        settings: of the artefact.
        search: beams and length.

    Returns:
        For each photo its candidates, best first.
    """
    found = beam_search(decoder_step(run, encoded, settings, search), len(encoded), search)
    return [[_caption(hypothesis, words) for hypothesis in hypotheses] for hypotheses in found]


def decoder_step(run: Part, encoded: NDArray[np.float32], settings: CaptionSettings, search: Search) -> Any:
    """One word for every beam of every photo that is not finished: the step that `beam_search` calls.

    What the decoder has computed for earlier words is kept in a cache [photos, beams, words, entry], which follows
    the beams as they are chosen; the prefix is never run again.
    """
    cache = np.zeros((len(encoded), search.beam_size, settings.most_words + 1, settings.entry), np.float32)
    memory = encoded

    def step(
        tokens: NDArray[np.int32], parents: NDArray[np.intp], photos: NDArray[np.intp], position: int
    ) -> NDArray[np.float32]:
        nonlocal cache, memory
        if len(photos) < len(cache):
            cache, memory = cache[photos], memory[photos]
        if position:
            seen = cache[:, :, :position]
            cache[:, :, :position] = np.take_along_axis(seen, parents[:, :, None, None], axis=1)
        feeds = {"tokens": tokens, "position": np.array([position], np.int32), "cache": cache, "memory": memory}
        out = run(feeds, ("log_probabilities", "entry"))
        cache[:, :, position] = out["entry"]
        scores: NDArray[np.float32] = out["log_probabilities"]
        scores[..., [PAD, START, UNKNOWN]] = -np.inf
        return scores

    return step


def _caption(hypothesis: Hypothesis, words: Sequence[str]) -> Caption:
    score = float(np.exp(hypothesis.log_probability / (len(hypothesis.tokens) + 1)))  # the end counts as a word
    return Caption(" ".join(words[token] for token in hypothesis.tokens), score)
