"""Captions: the settings of a captioner's artefact, and how its outputs become sentences.

Training measures with this code and the worker serves with it, so a caption is the same in both.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from core.heads.beam import Hypothesis, Search, beam_search
from core.heads.word_bias import BiasRules, WordBias, sayings_of
from core.heads.word_cache import WordCache

PAD, START, END, UNKNOWN = range(4)
SPECIAL = ("<pad>", "<start>", "<end>", "<unknown>")

Part = Callable[[dict[str, NDArray[Any]], Sequence[str]], dict[str, NDArray[Any]]]


class CaptionSettings(BaseModel):
    """The `settings` of a captioner's manifest.

    Attributes:
        words: the file of its vocabulary, a word a line; ids 0 to 3 are padding, start, end and unknown.
        most_words: the longest sentence that the graph's cache has room for.
        entry: what the cache keeps of a word: parts, and numbers of each.
        memory: the inputs of the graph's second part that are about the photo; the first gives each as `encoded(name)`.
        beam_size: beams that its card's numbers are of; what the task has unless a job asks for another number.
        length_penalty: what was best on the validation split.
        labels: the file of the labels that the graph names, a line each with tabs between: its group, the label, and
            the words that say it, with spaces between (none: it is never raised). None where the graph names no labels.
        repeats: the file of the words that may come more than once in a sentence; None if all may.
        boost: how much a sure label raises its words, in nats; see `core.heads.word_bias`.
        boost_least, boost_full, boost_most: the least score of a label that is raised, the one from which it is raised
            as much as can be, and how many labels of a photo are raised.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    words: str
    most_words: int = Field(ge=1, le=100)
    entry: tuple[Annotated[int, Field(ge=1)], Annotated[int, Field(ge=1)]]
    memory: tuple[str, ...]
    beam_size: int = Field(default=4, ge=1, le=8)
    length_penalty: float = Field(default=1.0, ge=0, le=2)
    labels: str | None = None
    repeats: str | None = None
    boost: float = Field(default=0.0, ge=0, le=10)
    boost_least: float = Field(default=0.4, gt=0, le=1)
    boost_full: float = Field(default=0.7, gt=0, le=1)
    boost_most: int = Field(default=4, ge=0, le=16)

    def files(self) -> list[str]:
        """The files that the settings name."""
        return [name for name in (self.words, self.labels, self.repeats) if name]


@dataclass(frozen=True, slots=True)
class Wording:
    """A captioner's vocabulary, and what it knows of its words.

    Attributes:
        words: the special words first.
        rules: what may come once, and what labels raise; None where the artefact has neither.
    """

    words: tuple[str, ...]
    rules: BiasRules | None


@dataclass(frozen=True, slots=True)
class Encoded:
    """What the first part of a captioner's graph gives for photos.

    Attributes:
        memory: what words attend to, float32 [N, ...] each, by the names that the second part has for it.
        labels: labels that it names, int32 [N, M], and
        scores: how sure it is of each, float32 [N, M], 0 where there is none; M is 0 where the graph names none.
    """

    memory: dict[str, NDArray[np.float32]]
    labels: NDArray[np.int32]
    scores: NDArray[np.float32]

    def of(self, photos: Sequence[int] | NDArray[np.intp]) -> Encoded:
        """The same for some of the photos."""
        chosen = np.asarray(photos, np.intp)
        memory = {name: value[chosen] for name, value in self.memory.items()}
        return Encoded(memory, self.labels[chosen], self.scores[chosen])


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


def read_wording(folder: Path, settings: CaptionSettings) -> Wording:
    """The vocabulary of an artefact and what it knows of its words.

    Raises:
        ValueError: a file says something else than it should.
    """
    words = read_words(folder / settings.words)
    if settings.labels is None and settings.repeats is None:
        return Wording(words, None)
    ids = {word: at for at, word in enumerate(words)}
    once = np.zeros(len(words), bool)
    if settings.repeats is not None:
        again = (folder / settings.repeats).read_text(encoding="utf-8").splitlines()
        once[:] = True
        once[[*range(len(SPECIAL)), *(ids[word] for word in again if word in ids)]] = False
    sayings: list[list[int]] = []
    if settings.labels is not None:
        for line in (folder / settings.labels).read_text(encoding="utf-8").splitlines():
            columns = line.split("\t")
            if len(columns) != 3:
                raise ValueError(f"{settings.labels}: a line has not three columns")
            sayings.append([ids[word] for word in columns[2].split() if word in ids])
    rules = BiasRules(
        once, sayings_of(sayings), settings.boost, settings.boost_least, settings.boost_full, settings.boost_most
    )
    return Wording(words, rules)


def encoded(name: str) -> str:
    """What the first part of a captioner's graph calls what its second part is given as `name`."""
    return f"encoded_{name}"


def encode_grids(run: Part, feeds: dict[str, NDArray[Any]], settings: CaptionSettings) -> Encoded:
    """What the first part of a captioner's graph gives for photos.

    Args:
        run: the graph.
        feeds: its first input, by name.
        settings: of the artefact.
    """
    labels = () if settings.labels is None else ("label_ids", "label_scores")
    found = run(feeds, (*map(encoded, settings.memory), *labels))
    memory = {name: found[encoded(name)] for name in settings.memory}
    if labels:
        return Encoded(memory, found["label_ids"], found["label_scores"])
    photos = len(next(iter(feeds.values())))
    return Encoded(memory, np.zeros((photos, 0), np.int32), np.zeros((photos, 0), np.float32))


def captions_of(
    run: Part, photos: Encoded, wording: Wording, settings: CaptionSettings, search: Search
) -> list[list[Caption]]:
    """Sentences for photos, decoded together.

    Args:
        run: the captioner's graph, from named inputs and wanted outputs to named outputs; see `decoder_step`.
        photos: what the first part of the graph gave for them.
        wording: the vocabulary.
        settings: of the artefact.
        search: beams and length.

    Returns:
        For each photo its candidates, best first.
    """
    rules = wording.rules
    bias = WordBias(rules, photos.labels, photos.scores, search.beam_size) if rules else None
    found = beam_search(decoder_step(run, photos, settings, search, bias), len(photos.labels), search)
    return [[_caption(hypothesis, wording.words) for hypothesis in hypotheses] for hypotheses in found]


def decoder_step(
    run: Part, encoded_photos: Encoded, settings: CaptionSettings, search: Search, bias: WordBias | None = None
) -> Any:
    """One word for every beam of every photo that is not finished: the step that `beam_search` calls.

    What the decoder has computed for earlier words is kept; the prefix is never run again.
    """
    memory = encoded_photos.memory
    cache = WordCache(settings.most_words + 1, settings.entry, len(encoded_photos.labels) * search.beam_size)

    def step(
        tokens: NDArray[np.int32], parents: NDArray[np.intp], photos: NDArray[np.intp], position: int
    ) -> NDArray[np.float32]:
        nonlocal memory
        if len(photos) < len(next(iter(memory.values()))):
            memory = {name: value[photos] for name, value in memory.items()}
        seen = cache.follow(parents, photos)
        feeds = {"tokens": tokens, "position": np.array([position], np.int32), "cache": seen, **memory}
        out = run(feeds, ("log_probabilities", "entry"))
        cache.add(out["entry"])
        scores: NDArray[np.float32] = out["log_probabilities"]
        scores[..., [PAD, START, UNKNOWN]] = -np.inf
        if bias is not None:
            bias.follow(tokens, parents, photos)
            bias.apply(scores)
        return scores

    return step


def _caption(hypothesis: Hypothesis, words: Sequence[str]) -> Caption:
    score = float(np.exp(hypothesis.log_probability / (len(hypothesis.tokens) + 1)))  # the end counts as a word
    return Caption(" ".join(words[token] for token in hypothesis.tokens), score)
