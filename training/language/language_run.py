"""Train a network that tells English, French and Spanish apart, by one word or by many."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import keras
import numpy as np
from keras import layers, ops
from numpy.typing import NDArray

from core.texts.prepare import LATIN_LETTER, CharGrams, TextSpec, WordChars, pad_batch, strip_accents
from training.common.experiment import Convolutional, Experiment, FeedForward, LanguagePlan, Recurrent, Settling
from training.common.fit import Batch, Fitting, TwoFalls, linear_decay
from training.common.texts.batches import count, shuffled
from training.common.texts.text_layers import Bag, ConvPool, Fewer, PerWord
from training.language.encode_many import encode_many
from training.language.language_data import LANGUAGES, LanguageData, made_up_sentences

Ids = NDArray[np.int32]
AT_ONCE = 1000  # texts judged together while measuring


def build(plan: LanguagePlan, spec: TextSpec, scale: NDArray[np.float32]) -> keras.Model:
    """The network of a plan: int32 ids to logits [N, 3].

    Args:
        plan: which network.
        spec: what the ids are.
        scale: float32 [buckets], how much each n-gram says; used by the feed-forward network.
    """
    net = plan.net
    width = (spec.features.width,) if isinstance(spec.features, WordChars) else ()
    ids = keras.Input((None, *width), dtype="int32", name="ids")
    if isinstance(net, FeedForward):
        wide = Bag(scale, len(LANGUAGES), drop=net.gram_drop, name="wide")(ids)
        fewer = Fewer(net.deep_buckets)(ids)
        deep_scale = np.ones(net.deep_buckets, np.float32)
        hidden = Bag(deep_scale, net.dim, start=None, drop=net.gram_drop, name="deep")(fewer)
        hidden = layers.Dropout(net.drop)(layers.Dense(net.hidden, activation="relu")(hidden))
        logits = wide + layers.Dense(len(LANGUAGES), name="from_deep")(hidden)
    else:
        vector = _read(net, spec)(ids)
        if isinstance(net, Convolutional):
            vector = layers.Dropout(net.drop)(vector)
            vector = layers.Dense(net.hidden, activation="relu")(vector)
        logits = layers.Dense(len(LANGUAGES))(layers.Dropout(net.drop)(vector))
    return keras.Model(ids, logits)


def _read(net: Convolutional | Recurrent, spec: TextSpec) -> layers.Layer:
    assert not isinstance(spec.features, CharGrams)
    vocabulary = len(getattr(spec.features, "alphabet", "")) + 2
    if isinstance(net, Convolutional):
        return ConvPool(vocabulary, net.dim, net.filters, drop=0.0, mean=False)
    assert isinstance(spec.features, WordChars)
    return PerWord(vocabulary, net.dim, net.units, spec.features.width, drop=0.0)


def soft_cross_entropy(targets: Any, logits: Any) -> Any:
    """Cross-entropy with shares for targets; a row's sum is its weight."""
    return -ops.mean(ops.sum(targets * ops.log_softmax(logits), axis=-1))


class LanguageRun:
    """One training of a language network: its examples as ids, and what `fit` needs."""

    def __init__(self, experiment: Experiment, data: LanguageData) -> None:
        assert isinstance(experiment.plan, LanguagePlan)
        self._experiment, self._plan, self._data = experiment, experiment.plan, data
        sentences = (_beginning(example.text, self._plan.sentence_words) for example in data.sentences)
        texts = [*data.words, *sentences]
        self._items, self._bare = self._both_spellings(texts)
        self._sentence_targets = _one_hot(data.sentences)
        keras.utils.set_random_seed(experiment.seed)
        self.network = build(self._plan, experiment.text, self._scale())
        # None, unlike 0, spares a pass over the large tables in each step.
        decay = self._plan.weight_decay or None
        self.network.compile(keras.optimizers.Adam(self._rate(), weight_decay=decay), soft_cross_entropy)

    def fitting(self) -> Fitting:
        schedule = self._experiment.schedule
        return Fitting(
            self.network, self._batches, self._steps(), schedule.epochs, self._measure, self._experiment.seed
        )

    def _rate(self) -> Any:
        schedule, settling = self._experiment.schedule, self._plan.settling
        if settling is None:
            return linear_decay(schedule.learning_rate, self._steps() * schedule.epochs)
        shown = len(self._shown(settling)) + self._plan.sentences
        more = count(shown, schedule.batch_size) * settling.epochs
        return TwoFalls(schedule.learning_rate, self._unsettled_steps(), settling.learning_rate, more)

    def _steps(self) -> int:
        return count(len(self._items) + self._plan.sentences + self._more_count(), self._experiment.schedule.batch_size)

    def _unsettled_steps(self) -> int:
        settling = self._plan.settling
        return self._steps() * (self._experiment.schedule.epochs - (settling.epochs if settling else 0))

    def _shown(self, settling: Settling | None) -> NDArray[np.int_]:
        """Which of the items an epoch shows; while settling, the commonest words many times."""
        every = np.arange(len(self._items))
        again = np.flatnonzero(self._data.common)
        return every if settling is None else np.concatenate([every, np.repeat(again, settling.common - 1)])

    def _more_count(self) -> int:
        return min(self._plan.more, len(self._data.more_words))

    def _encode(self, texts: Sequence[str]) -> list[Ids]:
        return encode_many(texts, self._experiment.text)

    def _both_spellings(self, texts: Sequence[str]) -> tuple[list[Ids], list[Ids]]:
        """Ids of texts as they are and without accents, which for most is the same."""
        items = self._encode(texts)
        plain = [strip_accents(text) for text in texts]
        other = [at for at, text in enumerate(texts) if plain[at] != text]
        bare = list(items)
        for at, ids in zip(other, self._encode([plain[at] for at in other]), strict=True):
            bare[at] = ids
        return items, bare

    def _scale(self) -> NDArray[np.float32]:
        """Inverse document frequency of each n-gram among the training texts, about 1 at most."""
        features = self._experiment.text.features
        if not isinstance(features, CharGrams):
            return np.ones(1, np.float32)
        texts = np.bincount(np.concatenate(self._items), minlength=features.buckets)
        scale: NDArray[np.float32] = np.log((1 + len(self._items)) / (1 + texts)).astype(np.float32)
        return scale / np.float32(np.log(1 + len(self._items)))

    def _batches(self, random: np.random.Generator) -> Iterator[Batch]:
        plan, data = self._plan, self._data
        # The optimiser counts its steps through every interruption.
        settled = plan.settling if int(self.network.optimizer.iterations) >= self._unsettled_steps() else None
        made = made_up_sentences(data, plan.sentences, random)
        drawn = random.choice(len(data.more_words), 0 if settled else self._more_count(), replace=False)
        fresh = [*(example.text for example in made), *(data.more_words[at] for at in drawn)]
        shown = self._shown(settled)
        bare = random.random(len(fresh) + len(shown)) < plan.without_accents
        texts = [strip_accents(text) if bare[at] else text for at, text in enumerate(fresh)]
        items = [(self._bare if bare[len(fresh) + at] else self._items)[item] for at, item in enumerate(shown)]
        words = _word_targets(data, settled.shared if settled else plan.shared)
        known = np.concatenate([words, self._sentence_targets])[shown]
        targets = np.concatenate([_one_hot(made), data.more_shares[drawn], known])
        yield from shuffled([*self._encode(texts), *items], targets, self._experiment.schedule.batch_size, random)

    def _measure(self) -> dict[str, float]:
        logits, right = self.validation_logits()
        hits = (logits.argmax(axis=1) == right).reshape(2, -1).mean(axis=1)
        return {"accented": float(hits[0]), "bare": float(hits[1])}

    def validation_logits(self) -> tuple[NDArray[np.float32], NDArray[np.int_]]:
        """Logits [2 N, 3] of the validation words, as they are and then without accents, and the right columns."""
        words = [example.text for example in self._data.validation]
        right = _one_hot(self._data.validation).argmax(axis=1)
        return self.logits([*words, *map(strip_accents, words)]), np.tile(right, 2)

    def logits(self, texts: list[str]) -> NDArray[np.float32]:
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


def _one_hot(examples: Iterable[Any]) -> NDArray[np.float32]:
    index = [LANGUAGES.index(example.label) for example in examples]
    return np.eye(len(LANGUAGES), dtype=np.float32)[index]


def _word_targets(data: LanguageData, shared: float) -> NDArray[np.float32]:
    """Each language's share of a word, times the weight of the word."""
    shares = data.frequencies / data.frequencies.sum(axis=1, keepdims=True)
    alone = (data.frequencies > 0).sum(axis=1, keepdims=True) == 1
    targets: NDArray[np.float32] = (shares * np.where(alone, 1.0, shared)).astype(np.float32)
    return targets
