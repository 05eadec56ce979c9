"""Every number on the card of a language artefact, computed from the artefact itself and the data."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from core.artefacts.manifest import Metric
from core.texts.prepare import strip_accents
from training.common.datasets.labelled_texts import Example, read_tagged, text_folder
from training.common.intervals import proportion
from training.common.texts.offline_classifier import OfflineTextClassifier, first_is_right
from training.language.language_data import LANGUAGES, load_language

DECLARATION = Path(__file__).with_name("declaration.tsv")
OTHER_DOMAIN = "sentences_other.tsv"  # made by training.language.other_domain; not shipped
FEWEST_WORDS = 5


def measure_language(folder: Path, data: Path) -> list[Metric]:
    """Accuracy on unseen words, with accents and without, and on sentences of other domains."""
    classifier = OfflineTextClassifier(folder)
    words = load_language(data).test
    unaccented = [Example(strip_accents(example.text), example.label) for example in words]
    source = "measured: words of one list only, none of whose spellings was seen in training"
    found = [
        _accuracy(classifier, "word_accuracy", words, source),
        _accuracy(classifier, "word_accuracy_without_accents", unaccented, source),
        _accuracy(classifier, "declaration_accuracy", declaration(), "measured: sentences of a declaration of rights"),
    ]
    other = text_folder(data) / OTHER_DOMAIN
    if other.exists():
        game = long_enough(read_tagged(other))
        found.append(_accuracy(classifier, "game_accuracy", game, "measured: sentences of a game's texts"))
    return found


def declaration() -> list[Example]:
    """Sentences of five words and more of the Universal Declaration of Human Rights, shipped beside this file."""
    return long_enough(read_tagged(DECLARATION))


def long_enough(examples: Iterable[Example]) -> list[Example]:
    """Those of five words and more."""
    return [example for example in examples if len(example.text.split()) >= FEWEST_WORDS]


def _accuracy(classifier: OfflineTextClassifier, name: str, examples: Sequence[Example], source: str) -> Metric:
    right = first_is_right(classifier.probabilities([example.text for example in examples]), examples, LANGUAGES)
    return proportion(name, int(right.sum()), len(right), f"{source} ({len(right)})")
