"""A training run of a tagger: photos and labels in one space, from the words of captions and from the classifier.

A label is as true of a photo as the share of its captions that say it. What the classifier sees is in numbers of the
embedding of its own, see `training.tagger.class_space`.
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
from training.common.experiment import Experiment
from training.common.fit import Batch, Fitting
from training.common.texts.offline_text_encoder import OfflineTextEncoder
from training.tagger.caption_words import LEAST_CAPTIONS, protocol_words
from training.tagger.class_labels import read_class_labels
from training.tagger.class_space import fit_class_space
from training.tagger.feature_transform import fit_feature_transform
from training.tagger.held_out_words import HeldOutFilter, held_out_words
from training.tagger.label_tower import LabelTower, LabelTowerFit
from training.tagger.pooled_features import PooledFeatures
from training.tagger.reduced_rank_ridge import LinearMap, reduced_rank_ridge
from training.tagger.tag_data import caption_labels, count_labels, label_shares
from training.tagger.tag_nets import TagNetwork, image_tower, label_loss
from training.tagger.tag_plan import TagPlan
from training.tagger.tag_scores import mean_average_precision, precision_at

FIRST = 5
HYPERNYM_PHOTOS = 20.0  # a label that WordNet alone teaches is trusted as if so many photos showed it
WARM_UP = 50  # steps
AT_ONCE = 500


class TagRun:
    """One training: features, targets, the towers, and what `fit` needs.

    Attributes:
        encoder, text: folders of the encoders' artefacts.
        vectors: the text encoder.
        network: the towers over the labels that are learnt.
        transform: what stands before the image tower.
        classes: the part of the space for what the classifier sees.
        train, validation: the photos.
    """

    def __init__(self, experiment: Experiment[TagPlan], data: Path, work: Path, encoder: Path, text: Path) -> None:
        """Read photos, captions and the two encoders' artefacts; what is computed from them is kept below `work`."""
        plan = experiment.plan
        self._experiment, self.plan, self.encoder, self.text = experiment, plan, encoder, text
        photos, images = captioned(data)
        self.train, self.validation = of_split(photos, "train"), of_split(photos, "val")
        self.vectors = OfflineTextEncoder(text, work / "texts.npz")
        self._prepare(PooledFeatures(encoder, images, work / "pooled"))
        keras.utils.set_random_seed(experiment.seed)
        learnt = self.label_vectors([*self._caption_labels, *self._hypernyms])
        self._fit = LabelTowerFit(learnt, self._shown, plan.bandwidth, plan.noise, self.classes)
        self.network = TagNetwork(image_tower(plan, self.transform.width), self._start())
        self.network(np.zeros((1, self.transform.width), np.float32))
        self.network.compile(self._optimizer(), label_loss, jit_compile=False)

    @property
    def size(self) -> int:
        """Numbers in an embedding."""
        return self.plan.size + self.plan.class_size

    def fitting(self) -> Fitting:
        """What `training.common.fit` runs."""
        epochs, seed = self._experiment.schedule.epochs, self._experiment.seed
        return Fitting(self.network, self._batches, self._steps(), epochs, self._measure, seed)

    def logits(self, labels: list[str]) -> Floats:
        """Of labels for the validation photos, [photos, labels]."""
        directions = ops.convert_to_numpy(self.label_tower()(self.label_vectors(labels)))
        by_captions = ops.convert_to_numpy(self.network.image(self._validation, training=False))
        embeddings = np.concatenate([by_captions, self._validation_classes], axis=1)
        logits: Floats = embeddings @ directions[:, :-1].T + directions[:, -1]
        return logits

    def label_tower(self) -> LabelTower:
        """The tower for labels that explains the present directions."""
        words, biases = (ops.convert_to_numpy(value) for value in (self.network.directions, self.network.biases))
        by_captions = np.concatenate([words, np.zeros((len(words), self.plan.class_size)), biases[:, None]], axis=1)
        by_classes = np.pad(self.classes.hypernym_directions(self._members), ((0, 0), (self.plan.size, 0)))
        return self._fit(np.concatenate([by_captions, by_classes]).astype(np.float32))

    def label_vectors(self, labels: list[str]) -> NDArray[np.float32]:
        """What the text encoder makes of labels in the plan's template, [labels, text]."""
        return self.vectors([self.plan.template.replace("{}", label) for label in labels])

    def _prepare(self, features: PooledFeatures) -> None:
        """Targets and inputs of the training photos, inputs of the validation photos."""
        plan, held_out = self.plan, HeldOutFilter(held_out_words(self.train))
        self._caption_labels = caption_labels(self.train, held_out, plan.words, plan.phrases)
        shares = label_shares(count_labels(self.train, self._caption_labels), self.train)
        self._shares = shares.astype(np.float16)
        labels = read_class_labels(held_out)
        self._hypernyms = [label for label in labels.labels if label not in {*labels.names, *self._caption_labels}]
        self._members = labels.members[:, [labels.labels.index(label) for label in self._hypernyms]]
        by_hypernyms = np.full(len(self._hypernyms), HYPERNYM_PHOTOS, np.float32)
        self._shown = np.concatenate([shares.sum(axis=0), by_hypernyms])
        names = [photo.name for photo in self.train]
        first = features.get("train", names)
        self.transform = fit_feature_transform(first, len(labels.names), plan.components, plan.whiten, plan.gain)
        grid, seed = len(self.transform.mean), self._experiment.seed
        vectors = self.label_vectors(list(labels.names))
        self.classes = fit_class_space(vectors, labels.allowed, first[:, grid:], plan.class_size, seed)
        views = [features.get("train", names, number) for number in range(plan.views)]
        self._views = [_in_parts(self.transform, view) for view in views]
        validation = features.get("val", [photo.name for photo in self.validation])
        self._validation = _in_parts(self.transform, validation).astype(np.float32)
        self._validation_classes = ops.convert_to_numpy(self.classes.expected(validation[:, grid:]))

    def _start(self) -> LinearMap:
        """From the photos as they are; other views of them are for what comes after."""
        inputs = self._views[0].astype(np.float32)
        return reduced_rank_ridge(inputs, self._shares.astype(np.float32), self.plan.size, self.plan.penalty)

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
        """Scores on the validation photos, of labels that were learnt and of labels that were held out."""
        learnt, held_out = protocol_words(self.train), held_out_words(self.train)
        logits = self.logits([*learnt, *held_out])
        scores, truth = logits[:, : len(learnt)], count_labels(self.validation, learnt) >= LEAST_CAPTIONS
        found = {"map": mean_average_precision(scores, truth), "precision_at_5": precision_at(scores, truth, FIRST)}
        if held_out:
            shown = count_labels(self.validation, held_out) >= 1
            found["unseen_map"] = mean_average_precision(logits[:, len(learnt) :], shown)
        return found


def _in_parts(function: Callable[[Any], Any], rows: NDArray[np.float32]) -> NDArray[np.float16]:
    """A function of many rows, a few at a time, in half precision."""
    found = [ops.convert_to_numpy(function(rows[at : at + AT_ONCE])) for at in range(0, len(rows), AT_ONCE)]
    return np.concatenate(found).astype(np.float16)
