"""Teach a captioner what it is judged by: sequence-level training for CIDEr-D on top of the fine-tuned encoder.

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

from core.heads.captions import END, PAD, START, UNKNOWN
from training.captioner.cider_d import CiderD
from training.common.captions.caption_search import Step, training_scores
from training.common.experiment import CaptionPlan, Experiment, kept_experiment
from training.common.fit import STATE, Batch, Fitting, restore
from training.common.moving_average import averaged, take_better
from training.encoder.encoder_run import EncoderRun, grids

Ids = NDArray[np.int32]
MEASURED = 500  # validation photos that are captioned after each epoch


class CaptionRun:
    """One training: grids of the photos, the decoder of the encoder's run, and what `fit` needs.

    Attributes:
        encoder: the experiment that it goes on from, and
        before: its run.
        words, decoder: as that run left them.
        seen: the grids of the validation photos.

    Args:
        experiment: says which run to go on from.
        data: the data folder.
        work: its own folder; that of the run it goes on from lies beside it.
    """

    def __init__(self, experiment: Experiment, data: Path, work: Path) -> None:
        plan = experiment.plan
        assert isinstance(plan, CaptionPlan)
        self._experiment, self._plan = experiment, plan
        trained = work.parent / plan.encoder
        if not (trained / STATE).exists():
            raise FileNotFoundError(f"train {plan.encoder} first: {trained} has no state")
        self.encoder = kept_experiment(trained, plan.encoder)
        self.before = before = EncoderRun(self.encoder, data, trained)
        restore(before.fitting(), trained)
        take_better(before.network, before.scores)
        self.words, self.decoder = before.words, before.decoder
        self.decoder.set_drop(plan.drop)
        self._grids = cached_grids(work / "grids", before, plan.views)
        self.seen = grids(before.top, before.seen, len(before.validation))
        ids, most = {word: at for at, word in enumerate(self.words)}, self.decoder.positions - 1
        self._reward = CiderD([[_ended(caption, ids, most) for caption in photo.captions] for photo in before.train])
        keras.utils.set_random_seed(experiment.seed)
        self._sampler = Step(self.decoder)
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

    def _losses(self) -> keras.Model:
        """A network whose output is the loss of each photo, [N]: how likely its samples are, weighed by advantage."""
        length, decoder = self.decoder.positions, self.decoder
        grid = keras.Input(self.grid_shape, name="grid")
        read = keras.Input((self._plan.samples, length), dtype="int32", name="read")
        said = keras.Input((self._plan.samples, length), dtype="int32", name="said")
        advantage = keras.Input((self._plan.samples,), name="advantage")
        chances = ops.log_softmax(decoder(grid, read))
        right = ops.squeeze(ops.take_along_axis(chances, said[..., None], axis=-1), axis=-1)
        counts = ops.cast(said != PAD, "float32")
        loss = -ops.sum(right * counts * advantage[..., None], axis=(1, 2)) / ops.sum(counts, axis=(1, 2))
        return keras.Model({"grid": grid, "read": read, "said": said, "advantage": advantage}, loss)

    def _steps(self) -> int:
        return -(-min(len(self.before.train), self._plan.photos) // self._experiment.schedule.batch_size)

    def _batches(self, random: np.random.Generator) -> Iterator[Batch]:
        order = random.permutation(len(self.before.train))[: self._plan.photos]
        size = self._experiment.schedule.batch_size
        for at in range(0, len(order), size):
            photos = order[at : at + size]
            grid = self._grids[random.integers(len(self._grids)), photos].astype(np.float32)
            read, said = self._sample(grid, random)
            rewards = self._rewards(photos, said)
            advantage = rewards - (rewards.sum(axis=1, keepdims=True) - rewards) / (self._plan.samples - 1)
            yield {"grid": grid, "read": read, "said": said, "advantage": advantage}, rewards.mean(axis=1)

    def _rewards(self, photos: NDArray[np.int_], said: Ids) -> NDArray[np.float32]:
        """CIDEr-D of every sentence, [N, samples]."""
        found = [
            [self._reward(int(photo), row[row != PAD].tolist()) for row in rows]
            for photo, rows in zip(photos, said, strict=True)
        ]
        return np.array(found, np.float32)

    def _sample(self, grid: NDArray[np.float32], random: np.random.Generator) -> tuple[Ids, Ids]:
        """Sentences drawn from the decoder as it is: what it reads and what it says, int32 [N, samples, length].

        One that finds no end in time has none. An end that is put there was not drawn: learning from it would teach
        that ends are bad, and sentences would get longer and longer.
        """
        shape = (len(grid), self._plan.samples, self.decoder.positions)
        read, said = np.full(shape, PAD, np.int32), np.full(shape, PAD, np.int32)
        memory = ops.convert_to_numpy(self.decoder.encode(grid))
        cache = np.zeros((*shape, self.decoder.entry), np.float32)
        tokens, open_ = np.full(shape[:2], START, np.int32), np.ones(shape[:2], bool)
        for position in range(shape[2]):
            feeds = {"tokens": tokens, "position": np.array([position], np.int32), "cache": cache, "memory": memory}
            out = self._sampler.predict_on_batch(feeds)
            cache[:, :, position] = out["entry"]
            drawn = draw(out["log_probabilities"] / self._plan.temperature, random)
            read[:, :, position][open_], said[:, :, position][open_] = tokens[open_], drawn[open_]
            tokens, open_ = drawn, open_ & (drawn != END)
            if not open_.any():
                break
        return read, said

    def scores(self) -> dict[str, float]:
        """Scores on the first validation photos, with the weights as they are."""
        return training_scores(self.decoder, self.seen[:MEASURED], self.words, self.before.validation[:MEASURED])

    def _measure(self) -> dict[str, float]:
        with averaged(self.network):
            return self.scores()


def draw(scores: NDArray[np.float32], random: np.random.Generator) -> Ids:
    """A word for each row, as likely as its exponential (Gumbel's trick); never a special one but the end."""
    shaken = scores + random.gumbel(size=scores.shape)
    shaken[..., [PAD, START, UNKNOWN]] = -np.inf
    drawn: Ids = shaken.argmax(axis=-1).astype(np.int32)
    return drawn


def _ended(caption: Sequence[str], ids: dict[str, int], most_words: int) -> list[int]:
    return [*(ids.get(word, UNKNOWN) for word in caption[:most_words]), END]


def cached_grids(folder: Path, before: EncoderRun, views: int) -> NDArray[np.float16]:
    """Grids of the training photos by the tuned encoder, float16 [views, photos, 9, 9, 1280], read from disk."""
    weights = b"".join(ops.convert_to_numpy(variable).tobytes() for variable in before.top.variables)
    path = folder / f"grids-{sha256(weights).hexdigest()[:12]}-{views}.npy"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        found = [grids(before.top, before.views, len(before.train), view).astype(np.float16) for view in range(views)]
        np.save(path.with_suffix(".tmp.npy"), np.stack(found))
        path.with_suffix(".tmp.npy").rename(path)
    loaded: NDArray[np.float16] = np.load(path, mmap_mode="r")
    return loaded
