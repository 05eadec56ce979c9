"""A training run of a captioner for whole sentences: for CIDEr-D, by which it is judged.

Self-critical training (Rennie et al., 2017, arXiv:1612.00563) in the form of Luo, 2020 (arXiv:2003.09971): several
sentences are sampled for each photo, and each is compared with the mean reward of the others.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from core.heads.captions import END, PAD, UNKNOWN
from training.captioner.caption_plan import CaptionPlan
from training.captioner.caption_run import CaptionNetwork, CaptionRun
from training.captioner.caption_sampling import CaptionSampler, Ids
from training.captioner.cider_d import CiderD
from training.captioner.sequence_plan import SequencePlan
from training.common.datasets.photo_sets import FLICKR8K
from training.common.experiment import Experiment
from training.common.experiment_files import kept_experiment
from training.common.fit import STATE, Batch, Fitting, restore
from training.common.moving_average import averaged, take_better


class SequenceRun:
    """One training.

    Attributes:
        before: the run of the next word that it goes on from; its decoder is what is trained.

    Args:
        experiment: says which run to go on from.
        data: the data folder.
        work: its own folder; that of the run it goes on from lies beside it.

    Raises:
        FileNotFoundError: the run it goes on from is not there.
    """

    def __init__(self, experiment: Experiment[SequencePlan], data: Path, work: Path) -> None:
        plan = self._plan = experiment.plan
        self._experiment = experiment
        trained = work.parent / plan.words
        if not (trained / STATE).exists():
            raise FileNotFoundError(f"train {plan.words} first: {trained} has no state")
        self.before = before = CaptionRun(kept_experiment(trained, plan.words, CaptionPlan), data, trained)
        restore(before.fitting(), trained)
        take_better(before.network, before.scores)
        self._decoder, self._inputs = before.decoder, before.inputs
        self._decoder.set_drop(plan.drop)
        self._photos, references = self._references()
        photos = before.inputs.photos
        flickr = np.array([photos[at].source == FLICKR8K for at in self._photos])
        self._rows = (np.flatnonzero(flickr), np.flatnonzero(~flickr))
        ids, most = {word: at for at, word in enumerate(before.words)}, self._decoder.positions - 1
        self._reward = CiderD([[_ended(caption, ids, most) for caption in own] for own in references])
        keras.utils.set_random_seed(experiment.seed)
        self._sampler = CaptionSampler(self._decoder, plan.samples, plan.temperature)
        self.network = self._losses()
        schedule = experiment.schedule
        rate = keras.optimizers.schedules.CosineDecay(
            0.0, plan.steps * schedule.epochs, alpha=0.1, warmup_target=schedule.learning_rate, warmup_steps=20
        )
        optimizer = keras.optimizers.Adam(rate, clipnorm=1.0, use_ema=True, ema_momentum=plan.average)
        self.network.compile(optimizer, lambda _, loss: ops.mean(loss), jit_compile=False)

    def fitting(self) -> Fitting:
        """What `training.common.fit` runs."""
        epochs = self._experiment.schedule.epochs
        return Fitting(self.network, self._batches, self._plan.steps, epochs, self._measure, self._experiment.seed)

    def scores(self) -> dict[str, float]:
        """Scores on validation photos, with the present weights."""
        return self.before.scores()

    def _references(self) -> tuple[NDArray[np.intp], list[tuple[tuple[str, ...], ...]]]:
        """Places of photos among the training photos, and the captions of each: its own before those found."""
        own: dict[int, tuple[tuple[str, ...], ...]] = {}
        for source, _, _ in self.before.sources:
            for at, captions in zip(source.photos, source.references, strict=True):
                if at >= 0:
                    own[int(at)] = (*own.get(int(at), ()), *captions)
        kept = {at: captions for at, captions in own.items() if len(captions) >= self._plan.least_references}
        return np.array(sorted(kept), np.intp), [kept[at] for at in sorted(kept)]

    def _losses(self) -> keras.Model:
        """A network whose output is the loss of each photo, [N]: log-likelihood of its samples times advantage."""
        length, samples = self._decoder.positions, self._plan.samples
        inputs = {
            "cells": keras.Input((self._decoder.cells, self._inputs.width), name="cells"),
            "label_ids": keras.Input((self._labels,), dtype="int32", name="label_ids"),
            "label_scores": keras.Input((self._labels,), name="label_scores"),
            "seen": keras.Input((), name="seen"),
            "tokens": keras.Input((samples, length), dtype="int32", name="tokens"),
            "targets": keras.Input((samples, length), dtype="int32", name="targets"),
            "advantage": keras.Input((samples,), name="advantage"),
        }
        chances = ops.log_softmax(CaptionNetwork(self._decoder)(inputs))
        targets = inputs["targets"]
        sampled = ops.squeeze(ops.take_along_axis(chances, targets[..., None], axis=-1), axis=-1)
        counts = ops.cast(targets != PAD, "float32")
        loss = -ops.sum(sampled * counts * inputs["advantage"][..., None], axis=(1, 2)) / ops.sum(counts, axis=(1, 2))
        return keras.Model(inputs, loss)

    @property
    def _labels(self) -> int:
        return int(self._inputs.heard(0, np.zeros(1, np.intp))[0].shape[1])

    def _batches(self, random: np.random.Generator) -> Iterator[Batch]:
        for _ in range(self._plan.steps):
            counts = (self._plan.flickr, self._plan.others)
            drawn = [random.choice(rows, count) for rows, count in zip(self._rows, counts, strict=True) if len(rows)]
            rows = np.concatenate(drawn)
            photos, view = self._photos[rows], int(random.integers(self._inputs.views))
            ids, scores = self._inputs.heard(view, photos)
            cells = self._inputs.cells(view, photos)
            seen = np.ones(len(rows), np.float32)
            memory = ops.convert_to_numpy(self._decoder.encode(cells, ids, scores, seen))
            tokens, targets = self._sampler.sample(memory, random)
            rewards = self._rewards(rows, targets)
            # Against the mean of the others, so that a sentence is not compared with itself.
            advantage = rewards - (rewards.sum(axis=1, keepdims=True) - rewards) / (self._plan.samples - 1)
            inputs = {
                "cells": cells, "label_ids": ids, "label_scores": scores, "seen": seen,
                "tokens": tokens, "targets": targets, "advantage": advantage,
            }  # fmt: skip
            yield inputs, rewards.mean(axis=1)

    def _rewards(self, rows: NDArray[np.int_], sentences: Ids) -> NDArray[np.float32]:
        """CIDEr-D of every sentence, [N, samples]."""
        found = [
            [self._reward(int(row), one[one != PAD].tolist()) for one in own]
            for row, own in zip(rows, sentences, strict=True)
        ]
        return np.array(found, np.float32)

    def _measure(self) -> dict[str, float]:
        with averaged(self.network):
            return self.scores()


def _ended(caption: Sequence[str], ids: dict[str, int], most_words: int) -> list[int]:
    """A caption as ids with its end."""
    return [*(ids.get(word, UNKNOWN) for word in caption[:most_words]), END]
