"""Tags: what a tagger's artefact says of itself, its vocabularies, and how an embedding becomes scores of labels.

An image has an embedding, a label a direction and a bias in the same space; the label's score is the sigmoid of their
product. Training measures with this code and the worker serves with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, field_validator

from core.texts.word_pieces import split_words

Floats = NDArray[np.float32]
NAMED = ("photos", "open-images")  # the vocabularies that every tagger has


class VocabularyFiles(BaseModel):
    """Where a named vocabulary is: `labels`, a label a line; `directions`, see `write_directions`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    labels: str
    directions: str


class TagSettings(BaseModel):
    """The `settings` of a tagger's manifest.

    Attributes:
        size: numbers in an embedding; a direction has one more, the bias.
        template: what is said of a label to the text encoder, with {} for the label.
        vocabularies: those that are part of the artefact, by name; `NAMED` at least.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    size: int = Field(ge=1)
    template: str = Field("{}", pattern=r"\{\}")
    vocabularies: dict[str, VocabularyFiles]

    @field_validator("vocabularies")
    @classmethod
    def _complete(cls, given: dict[str, VocabularyFiles]) -> dict[str, VocabularyFiles]:
        missing = [name for name in NAMED if name not in given]
        if missing:
            raise ValueError(f"the vocabulary {missing[0]} is missing")
        return given

    def phrase(self, label: str) -> str:
        """What the text encoder is given for a label."""
        return self.template.replace("{}", label)


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Labels, and the direction of each with its bias behind it, float32 [labels, size + 1]."""

    labels: tuple[str, ...]
    directions: Floats

    def scores(self, embeddings: Floats) -> Floats:
        """How sure it is that each label is true of each image: embeddings [N, size] to float32 [N, labels], 0 to 1."""
        logits = embeddings @ self.directions[:, :-1].T + self.directions[:, -1]
        chances: Floats = (1 / (1 + np.exp(-np.clip(logits, -80, 80)))).astype(np.float32)
        return chances


def own_labels(given: Sequence[str]) -> tuple[str, ...]:
    """Labels of a caller that can be told apart: the first of those that read the same, none that is unreadable.

    Case, accents and white space make no difference to the text encoder, so they make none here.
    """
    kept: dict[tuple[str, ...], str] = {}
    for label in given:
        words = tuple(split_words(label))
        if words:
            kept.setdefault(words, label)
    return tuple(kept.values())


def write_directions(path: Path, directions: Floats) -> None:
    """Write directions [labels, size + 1] as npz: `directions` int8, `scales` float32 a row, `biases` float32."""
    scales = np.maximum(np.abs(directions[:, :-1]).max(axis=1), 1e-12) / 127
    rounded = np.rint(directions[:, :-1] / scales[:, None]).astype(np.int8)
    biases = directions[:, -1].astype(np.float32)
    np.savez_compressed(path, directions=rounded, scales=scales.astype(np.float32), biases=biases)


def read_vocabulary(folder: Path, files: VocabularyFiles, size: int) -> Vocabulary:
    """A vocabulary of an artefact.

    Raises:
        ValueError: labels and directions do not fit together, or one is no such file.
        OSError: one cannot be read.
    """
    labels = tuple((folder / files.labels).read_text(encoding="utf-8").splitlines())
    with np.load(folder / files.directions, allow_pickle=False) as stored:
        if sorted(stored.files) != ["biases", "directions", "scales"]:
            raise ValueError(f"{files.directions} does not hold directions")
        rows = stored["directions"].astype(np.float32) * stored["scales"][:, None]
        directions = np.concatenate([rows, stored["biases"][:, None]], axis=1).astype(np.float32)
    if directions.shape != (len(labels), size + 1):
        raise ValueError(f"{files.directions} is {directions.shape}, not one row of {size + 1} for each label")
    return Vocabulary(labels, directions)
