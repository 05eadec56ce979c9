"""A training run on words and sentences of three languages."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from core.texts.prepare import LATIN_LETTER, CharGrams, pad_batch, strip_accents
from training.common.datasets.labelled_texts import Example
from training.common.experiment import Experiment
from training.common.fit import Batch, Fitting
from training.common.learning_rates import TwoLinearDecays, linear_decay
from training.common.texts.batches import count, shuffled
from training.common.texts.inverse_document_frequency import inverse_document_frequency
from training.language.encode_many import encode_many
from training.language.language_data import LANGUAGES, LanguageData, made_up_sentences
from training.language.language_nets import build, soft_cross_entropy
from training.language.language_plan import LanguagePlan, LastEpochs

Ids = NDArray[np.int32]
AT_ONCE = 1000  # texts in a batch while measuring


class LanguageRun:
    """One training of a language network: its examples as ids, and what `fit` needs."""

    def __init__(self, experiment: Experiment[LanguagePlan], data: LanguageData) -> None:
        self._experiment, self._plan, self._data = experiment, experiment.plan, data
        sentences = (_beginning(example.text, self._plan.sentence_words) for example in data.sentences)
        self._items, self._unaccented = self._both_spellings([*data.words, *sentences])
        self._sentence_targets = _one_hot(data.sentences)
        keras.utils.set_random_seed(experiment.seed)
        self.network = build(self._plan, experiment.text, self._scale())
        # None, unlike 0, spares a pass over the large tables in each step.
        decay = self._plan.weight_decay or None
        self.network.compile(keras.optimizers.Adam(self._rate(), weight_decay=decay), soft_cross_entropy)

    def fitting(self) -> Fitting:
        """What `training.common.fit` runs."""
        schedule = self._experiment.schedule
        return Fitting(
            self.network, self._batches, self._steps(), schedule.epochs, self._measure, self._experiment.seed
        )

    def validation_logits(self) -> tuple[NDArray[np.float32], NDArray[np.int_]]:
        """Logits [2 N, 3] of the validation words, as they are and then without accents, and the right columns."""
        words = [example.text for example in self._data.validation]
        right = _one_hot(self._data.validation).argmax(axis=1)
        return self._logits([*words, *map(strip_accents, words)]), np.tile(right, 2)

    def _rate(self) -> Any:
        schedule, last = self._experiment.schedule, self._plan.last_epochs
        if last is None:
            return linear_decay(schedule.learning_rate, self._steps() * schedule.epochs)
        examples = len(self._shown(last)) + self._plan.sentences
        last_steps = count(examples, schedule.batch_size) * last.epochs
        return TwoLinearDecays(schedule.learning_rate, self._steps_before_last(), last.learning_rate, last_steps)

    def _steps(self) -> int:
        examples = len(self._items) + self._plan.sentences + self._more_words()
        return count(examples, self._experiment.schedule.batch_size)

    def _steps_before_last(self) -> int:
        last = self._plan.last_epochs
        return self._steps() * (self._experiment.schedule.epochs - (last.epochs if last else 0))

    def _shown(self, last: LastEpochs | None) -> NDArray[np.int_]:
        """Which of the items an epoch shows: all, and in the last epochs the commonest words many times."""
        every = np.arange(len(self._items))
        common = np.flatnonzero(self._data.common)
        return every if last is None else np.concatenate([every, np.repeat(common, last.common - 1)])

    def _more_words(self) -> int:
        """How many words of the longer lists an epoch shows."""
        return min(self._plan.more_words, len(self._data.more_words))

    def _both_spellings(self, texts: Sequence[str]) -> tuple[list[Ids], list[Ids]]:
        """Ids of texts as they are and without accents, which for most is the same."""
        items = self._encode(texts)
        plain = [strip_accents(text) for text in texts]
        changed = [at for at, text in enumerate(texts) if plain[at] != text]
        unaccented = list(items)
        for at, ids in zip(changed, self._encode([plain[at] for at in changed]), strict=True):
            unaccented[at] = ids
        return items, unaccented

    def _encode(self, texts: Sequence[str]) -> list[Ids]:
        return encode_many(texts, self._experiment.text)

    def _scale(self) -> NDArray[np.float32]:
        """How much each n-gram says; networks over characters have no n-grams."""
        features = self._experiment.text.features
        if not isinstance(features, CharGrams):
            return np.ones(1, np.float32)
        return inverse_document_frequency(self._items, features.buckets)

    def _batches(self, random: np.random.Generator) -> Iterator[Batch]:
        plan, data = self._plan, self._data
        # The optimiser counts its steps through every interruption.
        last = plan.last_epochs if int(self.network.optimizer.iterations) >= self._steps_before_last() else None
        made = made_up_sentences(data, plan.sentences, random)
        drawn = random.choice(len(data.more_words), 0 if last else self._more_words(), replace=False)
        new = [*(example.text for example in made), *(data.more_words[at] for at in drawn)]
        shown = self._shown(last)
        unaccented = random.random(len(new) + len(shown)) < plan.without_accents
        texts = [strip_accents(text) if unaccented[at] else text for at, text in enumerate(new)]
        items = [
            (self._unaccented if unaccented[len(new) + at] else self._items)[item] for at, item in enumerate(shown)
        ]
        words = _word_targets(data, last.shared if last else plan.shared)
        known = np.concatenate([words, self._sentence_targets])[shown]
        targets = np.concatenate([_one_hot(made), data.more_shares[drawn], known])
        yield from shuffled([*self._encode(texts), *items], targets, self._experiment.schedule.batch_size, random)

    def _measure(self) -> dict[str, float]:
        logits, right = self.validation_logits()
        hits = (logits.argmax(axis=1) == right).reshape(2, -1).mean(axis=1)
        return {"accented": float(hits[0]), "unaccented": float(hits[1])}

    def _logits(self, texts: list[str]) -> NDArray[np.float32]:
        """Logits [N, 3] of texts by the network as it is now."""
        items = self._encode(texts)
        found = [
            ops.convert_to_numpy(self.network(pad_batch(items[at : at + AT_ONCE]), training=False))
            for at in range(0, len(items), AT_ONCE)
        ]
        return np.concatenate(found)


def _beginning(text: str, words: int | None) -> str:
    """The first words of a text, or all of it if there is no letter in them."""
    cut = " ".join(text.split(" ")[:words])
    return cut if LATIN_LETTER.search(cut) else text


def _one_hot(examples: Sequence[Example]) -> NDArray[np.float32]:
    index = [LANGUAGES.index(example.label) for example in examples]
    return np.eye(len(LANGUAGES), dtype=np.float32)[index]


def _word_targets(data: LanguageData, shared: float) -> NDArray[np.float32]:
    """Each language's share of a word, times the weight of the word."""
    shares = data.frequencies / data.frequencies.sum(axis=1, keepdims=True)
    alone = (data.frequencies > 0).sum(axis=1, keepdims=True) == 1
    targets: NDArray[np.float32] = (shares * np.where(alone, 1.0, shared)).astype(np.float32)
    return targets
