"""Vocabularies: lists of labels with a name, a language and a source, and where each label lies in a tagger's space."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from core.tasks import VocabularyName

Floats = NDArray[np.float32]
NAMED: tuple[str, ...] = get_args(VocabularyName)  # those that a job may ask for; every tagger has them


class VocabularySpec(BaseModel):
    """What a tagger's manifest says of a named vocabulary.

    Attributes:
        labels: a file with a label a line.
        directions: a file as `write_directions` writes it, a row for each label.
        language: of the labels, as BCP 47 has it ("en", "pt-BR"); unknown unless given.
        source: where the labels are from and what may be done with them, for people.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    labels: str
    directions: str
    language: str | None = Field(None, pattern=r"^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$")
    source: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Vocabulary:
    """Labels, and the direction of each for one tagger.

    Attributes:
        labels: in order; of equal scores the earlier one ranks first.
        directions: float32 [labels, size + 1], the bias of each behind its direction.
        name: as jobs ask for it; None for a list of somebody's own.
        language, source: as in `VocabularySpec`.
    """

    labels: tuple[str, ...]
    directions: Floats
    name: str | None = None
    language: str | None = None
    source: str | None = None

    def scores(self, embeddings: Floats) -> Floats:
        """How sure it is that each label is true of each image: embeddings [N, size] to float32 [N, labels], 0 to 1."""
        return chances(self.logits(embeddings))

    def logits(self, embeddings: Floats) -> Floats:
        """As `scores`, before the sigmoid: in the same order, for those who need the best alone."""
        logits: Floats = embeddings @ self.directions[:, :-1].T + self.directions[:, -1]
        return logits


def chances(logits: Floats) -> Floats:
    """The sigmoid of logits, float32."""
    found: Floats = (1 / (1 + np.exp(-np.clip(logits, -80, 80)))).astype(np.float32)
    return found


def write_directions(path: Path, directions: Floats) -> None:
    """Write directions [labels, size + 1] as npz: `directions` int8, `scales` float32 a row, `biases` float32."""
    scales = np.maximum(np.abs(directions[:, :-1]).max(axis=1), 1e-12) / 127
    rounded = np.rint(directions[:, :-1] / scales[:, None]).astype(np.int8)
    biases = directions[:, -1].astype(np.float32)
    np.savez_compressed(path, directions=rounded, scales=scales.astype(np.float32), biases=biases)


def read_vocabulary(folder: Path, name: str, spec: VocabularySpec, size: int) -> Vocabulary:
    """A named vocabulary of a tagger.

    Args:
        folder: the tagger's artefact.
        name: of the vocabulary.
        spec: what the manifest says of it.
        size: numbers in an embedding.

    Raises:
        ValueError: labels and directions do not fit together, or one is no such file.
        OSError: one cannot be read.
    """
    labels = tuple((folder / spec.labels).read_text(encoding="utf-8").splitlines())
    with np.load(folder / spec.directions, allow_pickle=False) as stored:
        if sorted(stored.files) != ["biases", "directions", "scales"]:
            raise ValueError(f"{spec.directions} does not hold directions")
        rows = stored["directions"].astype(np.float32) * stored["scales"][:, None]
        directions = np.concatenate([rows, stored["biases"][:, None]], axis=1).astype(np.float32)
    if directions.shape != (len(labels), size + 1):
        raise ValueError(f"{spec.directions} is {directions.shape}, not one row of {size + 1} for each label")
    return Vocabulary(labels, directions, name, spec.language, spec.source)
