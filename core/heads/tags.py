"""Tags: the settings of a tagger's artefact, and which labels of a caller the text encoder can tell apart.

An image has an embedding, a label a direction and a bias in the same space; the label's score is the sigmoid of their
product (`core.artefacts.vocabularies`). Training measures with this code and the worker serves with it.
"""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict, Field, field_validator

from core.artefacts.vocabularies import NAMED, VocabularySpec
from core.texts.word_pieces import split_words


class TagSettings(BaseModel):
    """The `settings` of a tagger's manifest.

    Attributes:
        size: numbers in an embedding; a direction has one more, the bias.
        template: the text that the text encoder is given for a label, with {} in the label's place.
        vocabularies: those that are part of the artefact, by name; `NAMED` at least.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    size: int = Field(ge=1)
    template: str = Field("{}", pattern=r"\{\}")
    vocabularies: dict[str, VocabularySpec]

    @field_validator("vocabularies")
    @classmethod
    def _complete(cls, given: dict[str, VocabularySpec]) -> dict[str, VocabularySpec]:
        missing = [name for name in NAMED if name not in given]
        if missing:
            raise ValueError(f"the vocabulary {missing[0]} is missing")
        return given

    def phrase(self, label: str) -> str:
        """What the text encoder is given for a label."""
        return self.template.replace("{}", label)


def distinct_labels(given: Sequence[str]) -> tuple[str, ...]:
    """Labels of a caller that differ: the first of those that read the same, and none that is unreadable.

    Case, accents and white space make no difference to the text encoder, so they make none here.
    """
    kept: dict[tuple[str, ...], str] = {}
    for label in given:
        words = tuple(split_words(label))
        if words:
            kept.setdefault(words, label)
    return tuple(kept.values())
