"""A training run of a captioner: sequence-level training for CIDEr-D, by which it is judged, on the tuned encoder.

Self-critical training (Rennie et al., 2017, arXiv:1612.00563) in the form of Luo, 2020 (arXiv:2003.09971): several
sentences are sampled for each photo, and each is compared with the mean reward of the others.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from hashlib import sha256
from pathlib import Path

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from core.heads.captions import END, PAD, UNKNOWN
from training.captioner.caption_plan import CaptionPlan
from training.captioner.caption_sampling import CaptionSampler, Ids
from training.captioner.cider_d import CiderD
from training.common.captions.caption_search import training_scores
from training.common.experiment import Experiment
from training.common.experiment_files import kept_experiment
from training.common.fit import STATE, Batch, Fitting, restore
from training.common.moving_average import averaged, take_better
from training.encoder.encoder_nets import grids
from training.encoder.encoder_plan import EncoderPlan
from training.encoder.encoder_run import EncoderRun

MEASURED = 500  # validation photos that are captioned after each epoch


class CaptionRun:
    """One training: grids of the photos, the decoder of the encoder's run, and what `fit` needs.

    Attributes:
        encoder: the experiment that it goes on from, and
        encoder_run: its run.
        words, decoder: as that run left them.
        validation_grids: of the validation photos.

    Args:
        experiment: says which run to go on from.
        data: the data folder.
        work: its own folder; that of the run it goes on from lies beside it.

    Raises:
        FileNotFoundError: the run it goes on from is not there.
    """

    def __init__(self, experiment: Experiment[CaptionPlan], data: Path, work: Path) -> None:
        plan = experiment.plan
        self._experiment, self._plan = experiment, plan
        trained = work.parent / plan.encoder
        if not (trained / STATE).exists():
            raise FileNotFoundError(f"train {plan.encoder} first: {trained} has no state")
        self.encoder = kept_experiment(trained, plan.encoder, EncoderPlan)
        self.encoder_run = before = EncoderRun(self.encoder, data, trained)
        restore(before.fitting(), trained)
        take_better(before.network, before.scores)
        self.words, self.decoder = before.words, before.decoder
        self.decoder.set_drop(plan.drop)
        self._grids = cached_grids(work / "grids", before, plan.views)
        self.validation_grids = grids(before.top, before.validation_trunk, len(before.validation))
        ids, most = {word: at for at, word in enumerate(self.words)}, self.decoder.positions - 1
        self._reward = CiderD([[_ended(caption, ids, most) for caption in photo.captions] for photo in before.train])
        keras.utils.set_random_seed(experiment.seed)
        self._sampler = CaptionSampler(self.decoder, plan.samples, plan.temperature)
        self.network = self._losses()
        schedule = experiment.schedule
        rate = keras.optimizers.schedules.CosineDecay(
            0.0, self._steps() * schedule.epochs, alpha=0.1, warmup_target=schedule.learning_rate, warmup_steps=20
        )
        optimizer = keras.optimizers.Adam(rate, clipnorm=1.0, use_ema=True, ema_momentum=plan.average)
        self.network.compile(optimizer, lambda _, loss: ops.mean(loss), jit_compile=False)

    @property
    def grid_shape(self) -> tuple[int, ...]:
        """Rows, columns and features of a grid."""
        return self._grids.shape[2:]

    def fitting(self) -> Fitting:
        """What `training.common.fit` runs."""
        schedule = self._experiment.schedule
        return Fitting(
            self.network, self._batches, self._steps(), schedule.epochs, self._measure, self._experiment.seed
        )

    def scores(self) -> dict[str, float]:
        """Scores on the first validation photos, with the present weights."""
        photos = self.encoder_run.validation[:MEASURED]
        return training_scores(self.decoder, self.validation_grids[:MEASURED], self.words, photos)

    def _losses(self) -> keras.Model:
        """A network whose output is the loss of each photo, [N]: log-likelihood of its samples times advantage."""
        length, samples = self.decoder.positions, self._plan.samples
        grid = keras.Input(self.grid_shape, name="grid")
        tokens = keras.Input((samples, length), dtype="int32", name="tokens")
        targets = keras.Input((samples, length), dtype="int32", name="targets")
        advantage = keras.Input((samples,), name="advantage")
        chances = ops.log_softmax(self.decoder(grid, tokens))
        sampled = ops.squeeze(ops.take_along_axis(chances, targets[..., None], axis=-1), axis=-1)
        counts = ops.cast(targets != PAD, "float32")
        loss = -ops.sum(sampled * counts * advantage[..., None], axis=(1, 2)) / ops.sum(counts, axis=(1, 2))
        return keras.Model({"grid": grid, "tokens": tokens, "targets": targets, "advantage": advantage}, loss)

    def _steps(self) -> int:
        return -(-min(len(self.encoder_run.train), self._plan.photos) // self._experiment.schedule.batch_size)

    def _batches(self, random: np.random.Generator) -> Iterator[Batch]:
        order = random.permutation(len(self.encoder_run.train))[: self._plan.photos]
        size = self._experiment.schedule.batch_size
        for at in range(0, len(order), size):
            photos = order[at : at + size]
            grid = self._grids[random.integers(len(self._grids)), photos].astype(np.float32)
            tokens, targets = self._sampler.sample(grid, random)
            rewards = self._rewards(photos, targets)
            # Against the mean of the others, so that a sentence is not compared with itself.
            advantage = rewards - (rewards.sum(axis=1, keepdims=True) - rewards) / (self._plan.samples - 1)
            inputs = {"grid": grid, "tokens": tokens, "targets": targets, "advantage": advantage}
            yield inputs, rewards.mean(axis=1)

    def _rewards(self, photos: NDArray[np.int_], sentences: Ids) -> NDArray[np.float32]:
        """CIDEr-D of every sentence, [N, samples]."""
        found = [
            [self._reward(int(photo), row[row != PAD].tolist()) for row in rows]
            for photo, rows in zip(photos, sentences, strict=True)
        ]
        return np.array(found, np.float32)

    def _measure(self) -> dict[str, float]:
        with averaged(self.network):
            return self.scores()


def _ended(caption: Sequence[str], ids: dict[str, int], most_words: int) -> list[int]:
    """A caption as ids with its end."""
    return [*(ids.get(word, UNKNOWN) for word in caption[:most_words]), END]


def cached_grids(folder: Path, before: EncoderRun, views: int) -> NDArray[np.float16]:
    """Grids of the training photos by the tuned encoder, float16 [views, photos, 9, 9, 1280], read from disk.

    Args:
        folder: where they are kept, by a hash of the encoder's weights.
        before: the encoder's run.
        views: how many views of each photo.
    """
    weights = b"".join(ops.convert_to_numpy(variable).tobytes() for variable in before.top.variables)
    path = folder / f"grids-{sha256(weights).hexdigest()[:12]}-{views}.npy"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        photos = len(before.train)
        found = [grids(before.top, before.train_trunk, photos, view).astype(np.float16) for view in range(views)]
        np.save(path.with_suffix(".tmp.npy"), np.stack(found))
        path.with_suffix(".tmp.npy").rename(path)
    loaded: NDArray[np.float16] = np.load(path, mmap_mode="r")
    return loaded
