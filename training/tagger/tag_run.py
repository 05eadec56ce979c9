"""A training run of a tagger: labels of captions and of people, as directions in the space of photos.

What is learnt is how true each word, each pair of words and each given label is of a photo. What the classifier sees is
in numbers of the embedding of its own, see `training.tagger.class_space`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from training.common.calibration import Floats
from training.common.captions.content_words import LEAST_CAPTIONS, protocol_words
from training.common.datasets.labelled_photos import LabelledPhoto
from training.common.datasets.photo_sets import FLICKR8K, photo_sets
from training.common.experiment import Experiment
from training.common.fit import Batch, Fitting
from training.common.labels.label_targets import label_targets
from training.common.photos.encoded_photos import EncodedPhotos
from training.common.texts.offline_text_encoder import OfflineTextEncoder
from training.tagger.class_labels import read_class_labels
from training.tagger.class_space import fit_class_space
from training.tagger.feature_transform import fit_feature_transform
from training.tagger.held_out_words import HeldOutFilter, held_out_labels
from training.tagger.label_tower import LabelTower, LabelTowerFit
from training.tagger.reduced_rank_ridge import LinearMap, reduced_rank_ridge
from training.tagger.tag_data import caption_labels, count_labels, given_labels, has_labels
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
        work, encoder, text: its own folder, and those of the encoders' artefacts.
        vectors: the text encoder.
        network: the towers over the labels that are learnt.
        transform: what stands before the image tower.
        classes: the part of the space for what the classifier sees.
        sets: the collections of photos.
        train, validation: the photos.
    """

    def __init__(self, experiment: Experiment[TagPlan], data: Path, work: Path, encoder: Path, text: Path) -> None:
        """Read photos, captions and the two encoders' artefacts; what is computed from them is kept below `work`."""
        plan = experiment.plan
        self._experiment, self.plan, self.work, self.encoder, self.text = experiment, plan, work, encoder, text
        self.sets = photo_sets(data)
        self.train, self.validation = self._photos("train"), self._photos("val")
        self.vectors = OfflineTextEncoder(text, work / "texts.npz")
        self._prepare(EncodedPhotos(encoder, work.parent / "encoded"))
        keras.utils.set_random_seed(experiment.seed)
        learnt = self.label_vectors([*self._targets.labels, *self._hypernyms])
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

    def features(self, encoded: EncodedPhotos, split: str, number: int = 0) -> Floats:
        """Pooled features of one view of the photos of a split, in the order of `train` or `validation`."""
        kept = [each.of_split(split) for each in self.sets]
        rows = [encoded.pooled(each.paths(), number)[self._kept(each.photos)] for each in kept if each.photos]
        return np.concatenate(rows)

    def _photos(self, split: str) -> list[LabelledPhoto]:
        """The photos of a split, but for those that are held out."""
        every = [each.of_split(split).photos for each in self.sets]
        return [photo for photos in every for photo, kept in zip(photos, self._kept(photos), strict=True) if kept]

    def _kept(self, photos: Sequence[LabelledPhoto]) -> NDArray[np.bool_]:
        away = set(held_out_labels()) if self.plan.held_out else set()
        return np.array([not away & set(photo.labels) for photo in photos], bool)

    def _prepare(self, encoded: EncodedPhotos) -> None:
        """Targets and inputs of the training photos, inputs of the validation photos."""
        plan, held_out = self.plan, HeldOutFilter(held_out_labels() if self.plan.held_out else ())
        words = caption_labels(self.train, held_out, plan.words, plan.phrases)
        given = given_labels(self.train, held_out, plan.labels)
        self._targets = label_targets(self.train, list(dict.fromkeys([*words, *given])), {*words}.__contains__)
        labels = read_class_labels(held_out)
        known = {*labels.names, *self._targets.labels}
        self._hypernyms = [label for label in labels.labels if label not in known]
        self._members = labels.members[:, [labels.labels.index(label) for label in self._hypernyms]]
        by_hypernyms = np.full(len(self._hypernyms), HYPERNYM_PHOTOS, np.float32)
        self._shown = np.concatenate([self._targets.shown, by_hypernyms])
        first = self.features(encoded, "train")
        self.transform = fit_feature_transform(first, len(labels.names), plan.components, plan.whiten, plan.gain)
        grid, seed = len(self.transform.mean), self._experiment.seed
        vectors = self.label_vectors(list(labels.names))
        self.classes = fit_class_space(vectors, labels.allowed, first[:, grid:], plan.class_size, seed)
        views = [self.features(encoded, "train", number) for number in range(plan.views)]
        self._views = [_in_parts(self.transform, view) for view in views]
        self._weights = self._targets.weights().astype(np.float16)
        validation = self.features(encoded, "val")
        self._validation = _in_parts(self.transform, validation).astype(np.float32)
        self._validation_classes = ops.convert_to_numpy(self.classes.expected(validation[:, grid:]))

    def _start(self) -> LinearMap:
        """From the photos as they are; other views of them are for what comes after."""
        inputs = self._views[0].astype(np.float32)
        return reduced_rank_ridge(inputs, self._targets, self.plan.size, self.plan.penalty)

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
            targets = np.stack([self._targets.values[chosen], self._weights[chosen]], axis=-1)
            yield inputs.astype(np.float32), targets.astype(np.float32)

    def _measure(self) -> dict[str, float]:
        """Scores on the validation photos: words of captions, and labels that people gave."""
        words = protocol_words([p for p in self.train if p.source == FLICKR8K])
        captioned = np.array([p.source == FLICKR8K for p in self.validation])
        found = {}
        if captioned.any():
            photos = [p for p in self.validation if p.source == FLICKR8K]
            scores, truth = self.logits(words)[captioned], count_labels(photos, words) >= LEAST_CAPTIONS
            found = {"map": mean_average_precision(scores, truth), "precision_at_5": precision_at(scores, truth, FIRST)}
        labels = sorted({label for photo in self.validation for label in photo.labels} & set(self._targets.labels))
        if labels:
            given = np.array([bool(photo.labels) for photo in self.validation])
            truth = has_labels(self.validation, labels)[given]
            found["given_map"] = mean_average_precision(self.logits(labels)[given], truth)
        return found


def _in_parts(function: Callable[[Any], Any], rows: NDArray[np.float32]) -> NDArray[np.float16]:
    """A function of many rows, a few at a time, in half precision."""
    found = [ops.convert_to_numpy(function(rows[at : at + AT_ONCE])) for at in range(0, len(rows), AT_ONCE)]
    return np.concatenate(found).astype(np.float16)
