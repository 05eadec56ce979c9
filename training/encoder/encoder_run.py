"""A training run of the shared encoder: its last layers are fine-tuned by learning to caption photos.

The published classifier keeps its own copy of these layers, so its answers stay what they were. The decoder that is
trained with them is where the captioner starts from (`training.captioner.caption_run`).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import keras
import numpy as np
from keras import layers, ops

from training.common.captions.caption_data import caption_ids, vocabulary, word_shares
from training.common.captions.caption_losses import sentence_loss
from training.common.captions.caption_search import training_scores
from training.common.captions.decoder import Decoder
from training.common.datasets.captioned_photos import captioned, of_split
from training.common.experiment import Experiment
from training.common.fit import Batch, Fitting
from training.common.moving_average import averaged
from training.encoder.encoder_nets import GridCaptioner, TwoRateAdamW, grids, tuned_top, word_loss
from training.encoder.encoder_plan import EncoderPlan
from training.encoder.trunk import cached_trunk

CAPTIONS = 5  # of each photo in a step
MEASURED = 500  # validation photos that are captioned after each epoch


class EncoderRun:
    """One training: cached trunk outputs, captions as ids, the networks, and what `fit` needs.

    Attributes:
        train, validation: the photos.
        train_trunk, validation_trunk: what the trunk gives for views of the former, and for the latter as they are.
        words: the vocabulary.
        top, decoder: what is trained.
    """

    def __init__(self, experiment: Experiment[EncoderPlan], data: Path, work: Path) -> None:
        plan = experiment.plan
        self._experiment, self._plan = experiment, plan
        photos, images = captioned(data)
        self.train, self.validation = of_split(photos, "train"), of_split(photos, "val")
        self.train_trunk = cached_trunk(work / "trunk" / "train", images, [p.name for p in self.train], plan.views)
        self.validation_trunk = cached_trunk(work / "trunk" / "val", images, [p.name for p in self.validation], 1)
        self.words = vocabulary(self.train, plan.least_count)
        self._tokens, self._targets = caption_ids(self.train, self.words, CAPTIONS, plan.most_words + 1)
        self._shares = word_shares(self._targets, len(self.words))
        keras.utils.set_random_seed(experiment.seed)
        self.top = tuned_top()
        grid = self.top.output.shape[1:]
        cells, nothing = grid[0] * grid[1], np.zeros((1, 1), np.int32)
        self.decoder = Decoder(plan.net, len(self.words), plan.most_words + 1, cells, nothing, name="decoder")
        self.decoder.build((None, cells, grid[2]))
        self.network = self._losses(grid)
        self._compile()

    def fitting(self) -> Fitting:
        """What `training.common.fit` runs."""
        schedule = self._experiment.schedule
        return Fitting(
            self.network, self._batches, self._steps(), schedule.epochs, self._measure, self._experiment.seed
        )

    def _losses(self, grid: tuple[int, ...]) -> keras.Model:
        """A network whose output is the loss of each photo, [N]."""
        plan, length = self._plan, self._plan.most_words + 1
        trunk = keras.Input(self.top.input.shape[1:], name="trunk")
        tokens = keras.Input((CAPTIONS, length), dtype="int32", name="tokens")
        targets = keras.Input((CAPTIONS, length), dtype="int32", name="targets")
        shares = keras.Input((len(self.words),), name="shares")
        features = self.top(trunk)
        logits = GridCaptioner(self.decoder)(features, tokens)
        of_sentences = sentence_loss(targets, logits, plan.smoothing)
        pooled = layers.Dropout(plan.net.drop)(layers.GlobalAveragePooling2D()(features))
        of_words = word_loss(shares, layers.Dense(len(self.words), name="photo_words")(pooled))
        inputs = {"trunk": trunk, "tokens": tokens, "targets": targets, "shares": shares}
        return keras.Model(inputs, of_sentences + plan.word_loss * of_words)

    def _compile(self) -> None:
        plan, schedule = self._plan, self._experiment.schedule
        steps = self._steps() * schedule.epochs
        rate = keras.optimizers.schedules.CosineDecay(
            0.0, steps, alpha=0.02, warmup_target=schedule.learning_rate, warmup_steps=min(plan.warm_up, steps // 2)
        )
        optimizer = TwoRateAdamW(
            rate, self.top.trainable_variables, plan.encoder_rate,
            weight_decay=plan.weight_decay, clipnorm=1.0, use_ema=True, ema_momentum=plan.average,
        )  # fmt: skip
        self.network.compile(optimizer, lambda _, loss: ops.mean(loss), jit_compile=False)

    def _steps(self) -> int:
        return -(-len(self.train) // self._experiment.schedule.batch_size)

    def _batches(self, random: np.random.Generator) -> Iterator[Batch]:
        order = random.permutation(len(self.train))
        views = random.integers(len(self.train_trunk), size=len(order))
        size = self._experiment.schedule.batch_size
        for at in range(0, len(order), size):
            chosen = order[at : at + size]
            inputs = {
                "trunk": self.train_trunk.take(views[at : at + size], chosen),
                "tokens": self._tokens[chosen],
                "targets": self._targets[chosen],
                "shares": self._shares[chosen],
            }
            yield inputs, np.zeros(len(chosen), np.float32)

    def scores(self) -> dict[str, float]:
        """Scores on the first validation photos, with the weights as they are."""
        measured = self.validation[:MEASURED]
        found = grids(self.top, self.validation_trunk, len(measured))
        cells = found.reshape(len(found), -1, found.shape[-1])
        nothing = np.zeros((len(found), 1))
        feeds = {"cells": cells, "label_ids": nothing.astype(np.int32), "label_scores": nothing.astype(np.float32)}
        return training_scores(self.decoder, feeds, self.words, measured)

    def _measure(self) -> dict[str, float]:
        with averaged(self.network):
            return self.scores()
