"""Train a tagger: photos and labels in one space, from the words of captions and from what the classifier says.

A label is true of a photo to the part of its captions that say it. Labels of ImageNet's classes are as true as the
published classifier holds them for; since few photos of captions show most classes, some photos in each step are told
to show a class that is drawn by chance.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from training.experiment import Experiment, TagPlan
from training.fit import Batch, Fitting
from training.scores import Floats
from training.vision.datasets import captioned, of_split
from training.vision.label_vectors import LabelVectors
from training.vision.pooled import PooledFeatures
from training.vision.tag_data import caption_labels, censor_of, count_labels, read_class_labels, shares
from training.vision.tag_nets import LabelFit, LabelTower, Space, fit_front, image_tower, known_labels
from training.vision.tag_scores import mean_average_precision, precision_at
from training.vision.tag_start import Start, beside, linear_start
from training.vision.words import LEAST_CAPTIONS, held_out_words, protocol_words

UNKNOWN = -1.0
FIRST = 5
PRETENDED_PHOTOS = 20  # how much a class that is pretended teaches, in photos of captions
PRETENDED_A_CLASS = 4
WARM_UP = 50  # steps
AT_ONCE = 500


class TagRun:
    """One training: features, targets, the towers, and what `fit` needs.

    Attributes:
        space: the network.
        front: what stands before the image tower.
        train, validation: the photos.
    """

    def __init__(self, experiment: Experiment, data: Path, work: Path, encoder: Path, text: Path) -> None:
        """Read photos, captions and the two encoders' artefacts; what is computed from them is kept below `work`."""
        plan = experiment.plan
        assert isinstance(plan, TagPlan)
        self._experiment, self.plan, self.encoder, self.text = experiment, plan, encoder, text
        photos, images = captioned(data)
        self.train, self.validation = of_split(photos, "train"), of_split(photos, "val")
        self.vectors = LabelVectors(text, work / "texts.npz")
        self._learn(PooledFeatures(encoder, images, work / "pooled"))
        keras.utils.set_random_seed(experiment.seed)
        learnt = self._phrases([*self._said, *self._classes.labels])
        self._fit = LabelFit(learnt, self._shown, plan.reach, plan.doubt)
        self.space = self.network = Space(image_tower(plan, self.front), self._start())
        self.space(np.zeros((1, self.front.width), np.float32))
        self.space.compile(self._optimizer(), known_labels, jit_compile=False)

    @property
    def size(self) -> int:
        """Numbers in an embedding."""
        return self.plan.size + self.plan.class_size

    def fitting(self) -> Fitting:
        """What `training.fit` runs."""
        epochs, seed = self._experiment.schedule.epochs, self._experiment.seed
        return Fitting(self.space, self._batches, self._steps(), epochs, self._measure, seed)

    def logits(self, labels: list[str]) -> Floats:
        """Of labels for the validation photos, [photos, labels]."""
        directions = ops.convert_to_numpy(self.label_tower()(self._phrases(labels)))
        found = [
            ops.convert_to_numpy(self.space.image(self._seen[at : at + AT_ONCE], training=False))
            for at in range(0, len(self._seen), AT_ONCE)
        ]
        logits: Floats = np.concatenate(found) @ directions[:, :-1].T + directions[:, -1]
        return logits

    def label_tower(self) -> LabelTower:
        """The tower for labels that explains the directions as they are now."""
        values = [ops.convert_to_numpy(value) for value in (self.space.directions, self.space.biases)]
        directions = np.concatenate([values[0], values[1][:, None]], axis=1)
        return self._fit(directions)

    def _phrases(self, labels: list[str]) -> NDArray[np.float32]:
        return self.vectors([self.plan.template.replace("{}", label) for label in labels])

    def _learn(self, features: PooledFeatures) -> None:
        """Targets and inputs of the training photos, inputs of the validation photos."""
        plan, censor = self.plan, censor_of(self.train)
        self._said = caption_labels(self.train, censor, plan.words, plan.phrases)
        said = shares(count_labels(self.train, self._said), self.train)
        self._shares = said.astype(np.float16)
        self._classes = read_class_labels(censor)
        names = [photo.name for photo in self.train]
        first = features.get("train", names)
        self.front = fit_front(first, len(self._classes.names), plan.components, plan.whiten, plan.gain)
        grid = len(self.front.mean)
        self._grids, self._probabilities = [], []
        for number in range(plan.views):
            pooled = features.get("train", names, number)
            self._grids.append(_in_parts(self.front.seen, pooled[:, :grid]))
            self._probabilities.append(pooled[:, grid:].astype(np.float16))
        # A class that is pretended is as good as taught by a few photos.
        taught = np.full(len(self._classes.labels), PRETENDED_PHOTOS, np.float32)
        self._shown = np.concatenate([said.sum(axis=0), taught])
        seen = features.get("val", [photo.name for photo in self.validation])
        self._seen = _in_parts(self.front, seen).astype(np.float32)

    def _start(self) -> Start:
        """From the photos as they are; for classes, also from many that are told to show one drawn by chance."""
        photos = np.arange(len(self.train))
        probabilities = self._take(self._probabilities, np.zeros_like(photos), photos)
        inputs = self._inputs(self._take(self._grids, np.zeros_like(photos), photos), probabilities)
        words = linear_start(inputs, self._shares.astype(np.float32), self.plan.size, self.plan.penalty)
        random = np.random.default_rng(self._experiment.seed)
        more, told = self._pretended(random, PRETENDED_A_CLASS * len(self._classes.names))
        true = np.concatenate([self._true(probabilities), told[:, len(self._said) :]])
        classes = linear_start(np.concatenate([inputs, more]), true, self.plan.class_size, self.plan.penalty)
        return beside(words, classes)

    def _optimizer(self) -> keras.Optimizer:
        schedule = self._experiment.schedule
        steps = self._steps() * schedule.epochs
        rate = keras.optimizers.schedules.CosineDecay(
            0.0, steps, warmup_target=schedule.learning_rate, warmup_steps=min(WARM_UP, steps // 2)
        )
        optimizer = keras.optimizers.AdamW(rate, weight_decay=self.plan.weight_decay)
        optimizer.exclude_from_weight_decay(var_names=["bias"])
        return optimizer

    def _steps(self) -> int:
        return max(len(self.train) // self._experiment.schedule.batch_size, 1)

    def _batches(self, random: np.random.Generator) -> Iterator[Batch]:
        order, size = random.permutation(len(self.train)), self._experiment.schedule.batch_size
        for step in range(self._steps()):
            chosen = order[step * size : (step + 1) * size]
            inputs, targets = self._real(chosen, random)
            more, told = self._pretended(random, self.plan.pretended)
            yield np.concatenate([inputs, more]), np.concatenate([targets, told])

    def _real(self, photos: NDArray[np.int_], random: np.random.Generator) -> Batch:
        views = random.integers(self.plan.views, size=len(photos))
        grids, probabilities = self._take(self._grids, views, photos), self._take(self._probabilities, views, photos)
        return self._inputs(grids, probabilities), np.concatenate(
            [self._shares[photos], self._true(probabilities)], axis=1
        ).astype(np.float32)

    def _pretended(self, random: np.random.Generator, count: int) -> Batch:
        """Photos that show what they show and a class besides; of its labels alone something is known."""
        photos = random.integers(len(self.train), size=count)
        views = random.integers(self.plan.views, size=count)
        part = random.uniform(0.2, 1.0, (count, 1)).astype(np.float32)
        shown = np.zeros((count, len(self._classes.names)), np.float32)
        shown[np.arange(count), random.choice(np.flatnonzero(self._classes.allowed), size=count)] = 1
        probabilities = part * shown + (1 - part) * self._take(self._probabilities, views, photos)
        # Half of them keep nothing of the photo but its average: what it looks like must not matter.
        grids = self._take(self._grids, views, photos) * random.integers(2, size=(count, 1))
        unknown = np.full((count, len(self._said)), UNKNOWN, np.float32)
        return self._inputs(grids, probabilities), np.concatenate([unknown, self._true(probabilities)], axis=1)

    def _inputs(self, grids: NDArray[Any], probabilities: NDArray[np.float32]) -> NDArray[np.float32]:
        """What the front gives, for components that it has given before: float32 [N, width]."""
        named = ops.convert_to_numpy(self.front.named(probabilities))
        return np.concatenate([grids, named], axis=1).astype(np.float32)

    def _true(self, probabilities: NDArray[np.float32]) -> NDArray[np.float32]:
        """How true the labels of classes are: the sum of the probabilities of the classes below each."""
        found: NDArray[np.float32] = np.minimum(probabilities @ self._classes.members, 1.0)
        return found

    @staticmethod
    def _take(
        arrays: list[NDArray[np.float16]], views: NDArray[np.int_], photos: NDArray[np.int_]
    ) -> NDArray[np.float32]:
        return np.stack([arrays[v][p] for v, p in zip(views, photos, strict=True)]).astype(np.float32)

    def _measure(self) -> dict[str, float]:
        """Scores on the validation photos, of labels that were learnt and of labels that were kept away."""
        learnt, kept = protocol_words(self.train), held_out_words(self.train)
        logits = self.logits([*learnt, *kept])
        scores, truth = logits[:, : len(learnt)], count_labels(self.validation, learnt) >= LEAST_CAPTIONS
        found = {"map": mean_average_precision(scores, truth), "precision_at_5": precision_at(scores, truth, FIRST)}
        if kept:
            shown = count_labels(self.validation, kept) >= 1
            found["unseen_map"] = mean_average_precision(logits[:, len(learnt) :], shown)
        return found


def _in_parts(function: Callable[[Any], Any], rows: NDArray[np.float32]) -> NDArray[np.float16]:
    """A function of many rows, a few at a time, in half precision."""
    found = [ops.convert_to_numpy(function(rows[at : at + AT_ONCE])) for at in range(0, len(rows), AT_ONCE)]
    return np.concatenate(found).astype(np.float16)
