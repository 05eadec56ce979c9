"""Fine-tune the last layers of the shared encoder for what photos show, by learning to caption them.

The published classifier keeps its own copy of these layers, so its answers stay what they were. The decoder that
learns beside them is where the captioner starts from (`training.captioner.caption_run`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import layers, ops
from numpy.typing import NDArray

from core.heads.captions import PAD
from training.common.captions.caption_data import sentences, vocabulary, word_shares
from training.common.captions.caption_search import training_scores
from training.common.captions.decoder import Decoder
from training.common.datasets.captioned_photos import captioned, of_split
from training.common.experiment import EncoderPlan, Experiment
from training.common.fit import Batch, Fitting
from training.common.moving_average import averaged
from training.encoder.trunk import CUT, cached_trunk, published

CAPTIONS = 5  # of each photo in a step
AT_ONCE = 50
MEASURED = 500  # validation photos that are captioned after each epoch


def tuned_top() -> keras.Model:
    """The layers behind the cut with the published weights: trunk [N, 9, 9, 208] to grid [N, 9, 9, 1280]."""
    network = published()
    return keras.Model(network.get_layer(CUT).output, network.output["features"], name="top")


class TwoRates(keras.optimizers.AdamW):  # type: ignore[misc]
    """AdamW that moves what was trained before more slowly than what starts from nothing.

    Args:
        slow: the variables that were trained before.
        share: their part of the learning rate.
    """

    def __init__(self, learning_rate: Any, slow: Sequence[Any] = (), share: float = 1.0, **rest: Any) -> None:
        super().__init__(learning_rate, **rest)
        self._slow, self._share = {id(variable) for variable in slow}, share

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """One variable's step."""
        rate = learning_rate * self._share if id(variable) in self._slow else learning_rate
        super().update_step(gradient, variable, rate)


class EncoderRun:
    """One training: cached trunk outputs, captions as ids, the networks, and what `fit` needs.

    Attributes:
        train, validation: the photos.
        views, seen: what the trunk gives for views of the former, and for the latter.
        words: the vocabulary.
        top, decoder: what is trained.
    """

    def __init__(self, experiment: Experiment, data: Path, work: Path) -> None:
        plan = experiment.plan
        assert isinstance(plan, EncoderPlan)
        self._experiment, self._plan = experiment, plan
        photos, images = captioned(data)
        self.train, self.validation = of_split(photos, "train"), of_split(photos, "val")
        self.views = cached_trunk(work / "trunk" / "train", images, [p.name for p in self.train], plan.views)
        self.seen = cached_trunk(work / "trunk" / "val", images, [p.name for p in self.validation], 1)
        self.words = vocabulary(self.train, plan.least_count)
        self._read, self._said = sentences(self.train, self.words, CAPTIONS, plan.most_words + 1)
        self._shares = word_shares(self._said, len(self.words))
        keras.utils.set_random_seed(experiment.seed)
        self.top = tuned_top()
        grid = self.top.output.shape[1:]
        self.decoder = Decoder(plan.net, len(self.words), plan.most_words + 1, grid[0] * grid[1], name="decoder")
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
        read = keras.Input((CAPTIONS, length), dtype="int32", name="read")
        said = keras.Input((CAPTIONS, length), dtype="int32", name="said")
        shares = keras.Input((len(self.words),), name="shares")
        seen = self.top(trunk)
        spoken = sentence_loss(said, self.decoder(seen, read), plan.smoothing)
        pooled = layers.Dropout(plan.net.drop)(layers.GlobalAveragePooling2D()(seen))
        named = word_loss(shares, layers.Dense(len(self.words), name="named")(pooled))
        inputs = {"trunk": trunk, "read": read, "said": said, "shares": shares}
        return keras.Model(inputs, spoken + plan.word_loss * named)

    def _compile(self) -> None:
        plan, schedule = self._plan, self._experiment.schedule
        steps = self._steps() * schedule.epochs
        rate = keras.optimizers.schedules.CosineDecay(
            0.0, steps, alpha=0.02, warmup_target=schedule.learning_rate, warmup_steps=min(plan.warm_up, steps // 2)
        )
        optimizer = TwoRates(
            rate, self.top.trainable_variables, plan.encoder_rate,
            weight_decay=plan.weight_decay, clipnorm=1.0, use_ema=True, ema_momentum=plan.average,
        )  # fmt: skip
        self.network.compile(optimizer, lambda _, loss: ops.mean(loss), jit_compile=False)

    def _steps(self) -> int:
        return -(-len(self.train) // self._experiment.schedule.batch_size)

    def _batches(self, random: np.random.Generator) -> Iterator[Batch]:
        order = random.permutation(len(self.train))
        views = random.integers(len(self.views), size=len(order))
        size = self._experiment.schedule.batch_size
        for at in range(0, len(order), size):
            chosen = order[at : at + size]
            inputs = {
                "trunk": self.views.take(views[at : at + size], chosen),
                "read": self._read[chosen],
                "said": self._said[chosen],
                "shares": self._shares[chosen],
            }
            yield inputs, np.zeros(len(chosen), np.float32)

    def scores(self) -> dict[str, float]:
        """Scores on the first validation photos, with the weights as they are."""
        measured = self.validation[:MEASURED]
        return training_scores(self.decoder, grids(self.top, self.seen, len(measured)), self.words, measured)

    def _measure(self) -> dict[str, float]:
        with averaged(self.network):
            return self.scores()


def grids(top: keras.Model, views: Any, count: int, view: int = 0) -> NDArray[np.float32]:
    """One view's grids, float32 [count, 9, 9, 1280]."""
    found = []
    for at in range(0, count, AT_ONCE):
        photos = np.arange(at, min(at + AT_ONCE, count))
        found.append(ops.convert_to_numpy(top(views.take(np.full(len(photos), view), photos), training=False)))
    return np.concatenate(found)


def sentence_loss(said: Any, logits: Any, smoothing: float) -> Any:
    """Cross-entropy a word with smoothed labels (Szegedy et al., 2016, arXiv:1512.00567), mean over a photo's words.

    Args:
        said: int32 [N, K, T]; PAD does not count.
        logits: float32 [N, K, T, words].
        smoothing: share of the target that is spread over all words.

    Returns:
        float32 [N].
    """
    chances = ops.log_softmax(logits)
    right = ops.squeeze(ops.take_along_axis(chances, said[..., None], axis=-1), axis=-1)
    loss = -(1 - smoothing) * right - smoothing * ops.mean(chances, axis=-1)
    counts = ops.cast(said != PAD, "float32")
    return ops.sum(loss * counts, axis=(1, 2)) / ops.sum(counts, axis=(1, 2))


def word_loss(shares: Any, logits: Any) -> Any:
    """Binary cross-entropy of every word with the share of captions that have it, summed over the words: [N]."""
    return ops.sum(ops.softplus(logits) - shares * logits, axis=-1)
