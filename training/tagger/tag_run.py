"""Train a tagger: photos and labels in one space, from the words of captions and from what the classifier says.

A label is true of a photo to the part of its captions that say it. What the classifier sees is in a part of the space
of its own, see `training.tagger.class_space`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from training.common.calibration import Floats
from training.common.datasets.captioned_photos import captioned, of_split
from training.common.experiment import Experiment, TagPlan
from training.common.fit import Batch, Fitting
from training.common.texts.offline_text_encoder import LabelVectors
from training.tagger.caption_words import LEAST_CAPTIONS, held_out_words, protocol_words
from training.tagger.class_space import fit_classes
from training.tagger.pooled_features import PooledFeatures
from training.tagger.reduced_rank_ridge import Start, linear_start
from training.tagger.tag_data import caption_labels, censor_of, count_labels, read_class_labels, shares
from training.tagger.tag_nets import LabelFit, LabelTower, Space, fit_front, image_tower, truth_loss
from training.tagger.tag_scores import mean_average_precision, precision_at

FIRST = 5
ABOVE = 20.0  # how much WordNet teaches of a label, in photos of captions
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
        learnt = self._phrases([*self._said, *self._above])
        self._fit = LabelFit(learnt, self._shown, plan.reach, plan.doubt, self.classes)
        self.space = self.network = Space(image_tower(plan, self.front), self._start())
        self.space(np.zeros((1, self.front.width), np.float32))
        self.space.compile(self._optimizer(), truth_loss, jit_compile=False)

    @property
    def size(self) -> int:
        """Numbers in an embedding."""
        return self.plan.size + self.plan.class_size

    def fitting(self) -> Fitting:
        """What `training.common.fit` runs."""
        epochs, seed = self._experiment.schedule.epochs, self._experiment.seed
        return Fitting(self.space, self._batches, self._steps(), epochs, self._measure, seed)

    def logits(self, labels: list[str]) -> Floats:
        """Of labels for the validation photos, [photos, labels]."""
        directions = ops.convert_to_numpy(self.label_tower()(self._phrases(labels)))
        seen = ops.convert_to_numpy(self.space.image(self._seen, training=False))
        embeddings = np.concatenate([seen, self._expected], axis=1)
        logits: Floats = embeddings @ directions[:, :-1].T + directions[:, -1]
        return logits

    def label_tower(self) -> LabelTower:
        """The tower for labels that explains the directions as they are now."""
        words, biases = (ops.convert_to_numpy(value) for value in (self.space.directions, self.space.biases))
        said = np.concatenate([words, np.zeros((len(words), self.plan.class_size)), biases[:, None]], axis=1)
        above = self.classes.above(self._members)
        return self._fit(np.concatenate([said, np.pad(above, ((0, 0), (self.plan.size, 0)))]).astype(np.float32))

    def _phrases(self, labels: list[str]) -> NDArray[np.float32]:
        return self.vectors([self.plan.template.replace("{}", label) for label in labels])

    def _learn(self, features: PooledFeatures) -> None:
        """Targets and inputs of the training photos, inputs of the validation photos."""
        plan, censor = self.plan, censor_of(self.train)
        self._said = caption_labels(self.train, censor, plan.words, plan.phrases)
        said = shares(count_labels(self.train, self._said), self.train)
        self._shares = said.astype(np.float16)
        labels = read_class_labels(censor)
        self._above = [label for label in labels.labels if label not in {*labels.names, *self._said}]
        self._members = labels.members[:, [labels.labels.index(label) for label in self._above]]
        self._shown = np.concatenate([said.sum(axis=0), np.full(len(self._above), ABOVE, np.float32)])
        names = [photo.name for photo in self.train]
        first = features.get("train", names)
        self.front = fit_front(first, len(labels.names), plan.components, plan.whiten, plan.gain)
        grid, seed = len(self.front.mean), self._experiment.seed
        vectors = self._phrases(list(labels.names))
        self.classes = fit_classes(vectors, labels.allowed, first[:, grid:], plan.class_size, seed)
        views = [features.get("train", names, number) for number in range(plan.views)]
        self._views = [_in_parts(self.front, view) for view in views]
        seen = features.get("val", [photo.name for photo in self.validation])
        self._seen = _in_parts(self.front, seen).astype(np.float32)
        self._expected = ops.convert_to_numpy(self.classes.expected(seen[:, grid:]))

    def _start(self) -> Start:
        """From the photos as they are; views of them are for what comes after."""
        inputs = self._views[0].astype(np.float32)
        return linear_start(inputs, self._shares.astype(np.float32), self.plan.size, self.plan.penalty)

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
            views = random.integers(self.plan.views, size=len(chosen))
            inputs = np.stack([self._views[v][p] for v, p in zip(views, chosen, strict=True)])
            yield inputs.astype(np.float32), self._shares[chosen].astype(np.float32)

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
