"""Photos as a captioner reads them: projected cells of the encoder's grid, and the labels that its heads give."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.artefacts.manifest import load_manifest
from training.captioner.caption_graph import BeforeTheDecoder
from training.captioner.caption_labels import CaptionLabels, best_labels, caption_labels_of
from training.captioner.label_heads import FittedHeads, LabelHeads, fit_label_heads
from training.captioner.written_decoder import WrittenDecoder
from training.common.captions.caption_data import Ids
from training.common.datasets.labelled_photos import LabelledPhoto
from training.common.datasets.photo_sets import PhotoSet
from training.common.datasets.splits import REFERENCES
from training.common.labels.label_targets import label_targets
from training.common.photos.encoded_photos import EncodedPhotos
from training.common.photos.grid_projection import grid_projection
from training.common.written_weights import written_weights

PROJECTED_ON = 350  # photos whose cells the principal components are of

Floats = NDArray[np.float32]
Feeds = dict[str, NDArray[Any]]


class CaptionInputs:
    """What the decoder is given for photos.

    Attributes:
        photos: the training photos of all collections.
        labels: that it hears about.
        heads: what says how likely these are.
        projection: of the grid's cells, [features, width].
        views: how many views of each training photo there are.
    """

    def __init__(
        self,
        sets: list[PhotoSet],
        encoder: Path,
        start: WrittenDecoder | None,
        work: Path,
        views: int,
        components: int,
        keep: bool,
    ) -> None:
        """Compute or read what is needed.

        Args:
            sets: the collections.
            encoder: the artefact of the shared encoder.
            start: the decoder that training goes on from.
            work: the run's folder; the encoder's outputs are kept beside it, for other runs too.
            views: see `training.common.photos.augment`.
            components: of what `start` does not read of the grid, see `grid_projection`.
            keep: whether labels and heads are those of `start`; few photos would teach poor ones.
        """
        self._sets, self.views, self._folder = sets, views, encoder
        self._encoded = EncodedPhotos(encoder, work.parent / "encoded")
        self.encoder = load_manifest(encoder)
        self.photos = [photo for each in sets for photo in each.of_split("train").photos]
        self.projection = self._projection(start, work / "projection.npy", components)
        self._cells = [
            [self._encoded.cells(self._paths(s, "train"), self.projection, v) for s in sets] for v in range(views)
        ]
        self._starts = np.cumsum([0, *(len(part) for part in self._cells[0])])
        known = start.labels() if start and keep else None
        self.labels: CaptionLabels = known[0] if known else caption_labels_of(self.photos)
        fitted = self._known(known[1]) if known else self._fitted(work / "heads.pickle")
        self.heads: LabelHeads = fitted.heads
        every = [np.concatenate([view, self._classes("train", at)], axis=1) for at, view in enumerate(fitted.views)]
        self.scores: Floats = every[0]
        self._heard = [best_labels(view, self.labels) for view in every]

    @property
    def width(self) -> int:
        """Numbers of a cell."""
        return int(self.projection.shape[1])

    def before_the_decoder(self) -> BeforeTheDecoder:
        """What the captioner's graph has before the decoder: the encoder's classifier is a part of it."""
        weights = written_weights(self._folder / self.encoder.graph).values()
        count = len(self.labels.classes)
        kernel = next(weight for weight in weights if weight.ndim == 2 and weight.shape[1] == count)
        bias = next(weight for weight in weights if weight.shape == (count,))
        grid = tuple(int(size) for size in self.encoder.outputs["grid"].shape[1:] if size is not None)
        return BeforeTheDecoder(grid, self.projection, self.heads, kernel, bias, self.labels.spans())

    def cells(self, view: int, photos: NDArray[np.intp]) -> Floats:
        """Cells of one view of training photos, [photos, cells, width]; zeros where a place is -1."""
        found = np.zeros((len(photos), *self._cells[0][0].shape[1:]), np.float32)
        for part, start, end in zip(self._cells[view], self._starts[:-1], self._starts[1:], strict=True):
            rows = np.flatnonzero((photos >= start) & (photos < end))
            found[rows] = part[photos[rows] - start]
        return found

    def heard(self, view: int, photos: NDArray[np.intp]) -> tuple[Ids, Floats]:
        """Labels and scores of one view of training photos."""
        ids, scores = self._heard[view]
        return ids[photos], scores[photos]

    def feeds(self, each: PhotoSet, split: str, chosen: NDArray[np.intp]) -> Feeds:
        """Inputs of some photos of a split that is not learnt from, by name; see `live_parts`."""
        paths = self._paths(each, split)
        cells = self._encoded.cells(paths, self.projection)
        pooled = self._encoded.pooled(paths)
        means = pooled[:, : self.projection.shape[0]]
        scores = np.concatenate([self.heads(means), pooled[:, self.projection.shape[0] :]], axis=1)
        ids, values = best_labels(scores[chosen], self.labels)
        return {"cells": cells[chosen], "label_ids": ids, "label_scores": values}

    def _paths(self, each: PhotoSet, split: str) -> list[Path]:
        return each.of_split(split).paths()

    def _means(self, split: str, view: int) -> Floats:
        return np.concatenate([self._pooled(each, split, view) for each in self._sets])[:, : self.projection.shape[0]]

    def _classes(self, split: str, view: int) -> Floats:
        return np.concatenate([self._pooled(each, split, view) for each in self._sets])[:, self.projection.shape[0] :]

    def _pooled(self, each: PhotoSet, split: str, view: int) -> Floats:
        return self._encoded.pooled(self._paths(each, split), view)

    def _fitted(self, kept: Path) -> FittedHeads:
        if kept.exists():
            found = pickle.loads(kept.read_bytes())  # written by this run
            assert isinstance(found, FittedHeads)
            return found
        named = [*self.labels.things, *self.labels.words]
        targets = label_targets(self.photos, list(dict.fromkeys(named)), {*self.labels.words}.__contains__)
        fitted = fit_label_heads(tuple(self._means("train", view) for view in range(self.views)), targets, 0)
        columns = [targets.labels.index(label) for label in named]
        heads = LabelHeads(fitted.heads.kernel[:, columns], fitted.heads.bias[columns])
        chosen = FittedHeads(heads, tuple(view[:, columns] for view in fitted.views))
        kept.write_bytes(pickle.dumps(chosen))
        return chosen

    def _known(self, heads: LabelHeads) -> FittedHeads:
        """Heads of another training, which has not seen these photos."""
        return FittedHeads(heads, tuple(heads(self._means("train", view)) for view in range(self.views)))

    def _projection(self, start: WrittenDecoder | None, kept: Path, components: int) -> Floats:
        if kept.exists():
            found: Floats = np.load(kept)
            return found
        random = np.random.default_rng(0)
        paths = [path for each in self._sets for path in self._paths(each, "train")]
        some = [paths[at] for at in random.permutation(len(paths))[:PROJECTED_ON]]
        grids = self._encoded.grids(some)
        known = start.grid_kernel() if start else np.zeros((0, 0), np.float32)
        projection = grid_projection(grids, known, components)
        kept.parent.mkdir(parents=True, exist_ok=True)
        np.save(kept, projection)
        return projection


def measured_on(photos: tuple[LabelledPhoto, ...]) -> NDArray[np.intp]:
    """Places of the photos that captions are measured on: those with captions enough, or with any if none has."""
    counts = np.array([len(photo.captions) for photo in photos], np.intp)
    least = REFERENCES if (counts >= REFERENCES).any() else 1
    return np.flatnonzero(counts >= least)
