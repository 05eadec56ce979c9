"""A training run of a captioner: it learns the next word of captions, from photos and from labels alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import keras
import numpy as np
from keras import ops

from training.captioner.caption_corpus import (
    Source,
    captioned_sources,
    corpus_words,
    found_captions,
    found_source,
    text_source,
)
from training.captioner.caption_inputs import CaptionInputs, Feeds, measured_on
from training.captioner.caption_labels import TOTAL, label_word_ids
from training.captioner.caption_plan import CaptionPlan
from training.captioner.written_decoder import read_decoder, start_from
from training.common.captions.caption_losses import sentence_loss
from training.common.captions.caption_search import training_scores
from training.common.captions.decoder import Decoder
from training.common.datasets.labelled_photos import LabelledPhoto, LabelledText
from training.common.datasets.photo_sets import PhotoSet, labelled_texts, photo_sets
from training.common.experiment import Experiment
from training.common.find_artefact import artefact_folder
from training.common.fit import Batch, Fitting
from training.common.moving_average import averaged

MEASURED = 200  # validation photos of each collection that are captioned after each epoch


class CaptionRun:
    """One training: inputs, sources of examples, the decoder, and what `fit` needs.

    Attributes:
        inputs: photos as the decoder reads them.
        sources: what is learnt from, with the examples of each in a step and how much they count.
        words: the vocabulary.
        decoder: what is trained.
        validation: by collection, photos with captions and the decoder's inputs for them.

    Args:
        experiment: sizes, mix, schedule.
        data: the data folder.
        work: the run's folder.

    Raises:
        FileNotFoundError: an artefact that it needs is not there.
    """

    def __init__(self, experiment: Experiment[CaptionPlan], data: Path, work: Path) -> None:
        plan = experiment.plan
        self.experiment, self.plan = experiment, plan
        sets = photo_sets(data)
        start = read_decoder(artefact_folder(plan.start, work)) if plan.start else None
        encoder = artefact_folder(plan.encoder, work)
        self.inputs = inputs = CaptionInputs(sets, encoder, start, work, plan.views, plan.components, plan.keep)
        texts = labelled_texts(data, sets)
        kept = start.words if start and plan.keep else ()
        words = corpus_words(inputs.photos, texts, plan.least_count, plan.most_known)
        self.words = tuple(dict.fromkeys([*kept, *words]))
        self.sources = self._sources(texts, work / "found.json")
        self.validation = self._validation_of(sets)
        keras.utils.set_random_seed(experiment.seed)
        sayings = label_word_ids(inputs.labels.every, self.words)
        cells = inputs.cells(0, np.zeros(1, np.intp)).shape[1]
        self.decoder = Decoder(plan.net, len(self.words), plan.most_words + 1, cells, sayings, name="decoder")
        self.decoder.build((None, cells, inputs.width))
        if start:
            kernel = np.eye(inputs.width, plan.net.dim, dtype=np.float32)
            start_from(self.decoder, self.words, start, kernel)
        self.network = self._losses()
        self._compile()

    def fitting(self) -> Fitting:
        """What `training.common.fit` runs."""
        epochs = self.experiment.schedule.epochs
        return Fitting(self.network, self._batches, self.plan.steps, epochs, self._measure, self.experiment.seed)

    def scores(self) -> dict[str, float]:
        """Scores on validation photos of each collection, with the present weights."""
        found = {}
        for name, (photos, feeds) in self.validation.items():
            some = {key: value[:MEASURED] for key, value in feeds.items()}
            scores = training_scores(self.decoder, some, self.words, photos[:MEASURED])
            found.update({f"{name}_{metric}": value for metric, value in scores.items()})
        return found

    def _sources(self, texts: list[LabelledText], kept: Path) -> list[tuple[Source, int, float]]:
        inputs, mix, positions = self.inputs, self.plan.mix, self.plan.most_words + 1
        seed = self.experiment.seed
        own = captioned_sources(inputs.photos, self.words, positions)
        captions = found_captions(inputs.photos, texts, inputs.scores, inputs.labels, seed, kept) if mix.found else {}
        found = found_source(captions, self.words, positions)
        without = text_source(texts, inputs.photos, inputs.scores, inputs.labels, self.words, positions, seed)
        flickr = [(source, count, 1.0) for source, count in zip(own, self._counts(len(own)), strict=True)]
        more = [(found, mix.found, mix.found_weight), (without, mix.texts, mix.text_weight)]
        return [*flickr, *((source, count, weight) for source, count, weight in more if source and count)]

    def _counts(self, sources: int) -> list[int]:
        """Examples of photos with captions in a step: where there is one collection it has the places of both."""
        mix = self.plan.mix
        return [mix.flickr, mix.others] if sources == 2 else [mix.flickr + mix.others]

    def _validation_of(self, sets: list[PhotoSet]) -> dict[str, tuple[list[LabelledPhoto], Feeds]]:
        found = {}
        for each in sets:
            photos = each.of_split("val").photos
            chosen = measured_on(photos)
            if len(chosen):
                found[each.name] = ([photos[at] for at in chosen], self.inputs.feeds(each, "val", chosen))
        return found

    def _losses(self) -> keras.Model:
        """A network whose output is the loss of each example, [N]."""
        plan, length = self.plan, self.plan.most_words + 1
        inputs = {
            "cells": keras.Input((self.decoder.cells, self.inputs.width), name="cells"),
            "label_ids": keras.Input((TOTAL,), dtype="int32", name="label_ids"),
            "label_scores": keras.Input((TOTAL,), name="label_scores"),
            "seen": keras.Input((), name="seen"),
            "tokens": keras.Input((plan.captions, length), dtype="int32", name="tokens"),
            "targets": keras.Input((plan.captions, length), dtype="int32", name="targets"),
            "weights": keras.Input((), name="weights"),
        }
        logits = CaptionNetwork(self.decoder)(inputs)
        loss = sentence_loss(inputs["targets"], logits, plan.smoothing) * inputs["weights"]
        return keras.Model(inputs, loss)

    def _compile(self) -> None:
        plan, schedule = self.plan, self.experiment.schedule
        steps = plan.steps * schedule.epochs
        rate = keras.optimizers.schedules.CosineDecay(
            0.0, steps, alpha=0.02, warmup_target=schedule.learning_rate, warmup_steps=min(plan.warm_up, steps // 2)
        )
        optimizer = keras.optimizers.AdamW(
            rate, weight_decay=plan.weight_decay, clipnorm=1.0, use_ema=True, ema_momentum=plan.average
        )
        self.network.compile(optimizer, lambda _, loss: ops.mean(loss), jit_compile=False)

    def _batches(self, random: np.random.Generator) -> Iterator[Batch]:
        for _ in range(self.plan.steps):
            parts = [self._examples(source, count, weight, random) for source, count, weight in self.sources]
            inputs = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
            yield inputs, np.zeros(len(inputs["seen"]), np.float32)

    def _examples(self, source: Source, count: int, weight: float, random: np.random.Generator) -> Feeds:
        """Examples of one kind, drawn with replacement."""
        plan, rows = self.plan, random.integers(len(source.photos), size=count)
        photos, view = source.photos[rows], int(random.integers(self.inputs.views))
        there = photos[0] >= 0
        ids, scores = self.inputs.heard(view, photos) if there else (source.ids[rows], source.scores[rows])
        seen = random.random(count) >= plan.drop_seen if there else np.zeros(count, bool)
        deaf = seen & (random.random(count) < plan.drop_labels)  # never without both
        columns = np.argsort(random.random((count, source.tokens.shape[1])), axis=1)[:, : plan.captions]
        return {
            "cells": self.inputs.cells(view, np.where(seen, photos, -1)),
            "label_ids": ids,
            "label_scores": np.where(deaf[:, None], 0, scores).astype(np.float32),
            "seen": seen.astype(np.float32),
            "tokens": source.tokens[rows[:, None], columns],
            "targets": source.targets[rows[:, None], columns],
            "weights": np.full(count, weight, np.float32),
        }

    def _measure(self) -> dict[str, float]:
        with averaged(self.network):
            return self.scores()


class CaptionNetwork(keras.layers.Layer):  # type: ignore[misc]
    """Photos, labels and words to logits: what the decoder does in one call."""

    def __init__(self, decoder: Decoder) -> None:
        super().__init__()
        self.decoder = decoder

    def call(self, inputs: dict[str, object], training: bool = False) -> object:
        """Logits [N, K, T, vocabulary]."""
        memory = self.decoder.encode(
            inputs["cells"], inputs["label_ids"], inputs["label_scores"], inputs["seen"], training
        )
        return self.decoder(memory, inputs["tokens"], training=training)
