"""Two towers into one space: photos by pooled features, labels by vectors of a text encoder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import layers, ops
from numpy.typing import NDArray

from training.common.experiment import TagPlan
from training.tagger.class_space import ClassSpace
from training.tagger.reduced_rank_ridge import Start

Floats = NDArray[np.float32]
STRAIGHT = "straight"
LEAST_PROBABILITY = 1e-3  # of less, the classifier knows nothing


@dataclass(frozen=True, slots=True)
class Bytes:
    """A matrix that is shipped in eight bits an element, with a scale for each column.

    Attributes:
        table: int8 [rows, columns].
        scale: [columns].
    """

    table: NDArray[np.int8]
    scale: Floats

    @classmethod
    def of(cls, matrix: Floats) -> Bytes:
        """The nearest such matrix."""
        scale = np.maximum(np.abs(matrix).max(axis=0), 1e-12) / 127
        return cls(np.rint(matrix / scale).astype(np.int8), scale.astype(np.float32))

    def after(self, rows: Any) -> Any:
        """The product of rows [N, rows] with the matrix, [N, columns]."""
        return ops.matmul(rows, ops.cast(self.table, "float32")) * self.scale


@dataclass(frozen=True, slots=True)
class Front:
    """What happens to pooled features before anything is learnt from captions.

    The pooled grid is standardised and projected on its principal components. The classes' probabilities become
    logarithms about their mean: what the classifier's last layer gave, but for what it is sure of not seeing.

    Attributes:
        mean, scale: of the pooled grid, [grid].
        basis: [grid, components].
        usual: of the logarithms, [classes].
        gain: of the logarithms, so that they count as much as they should.
    """

    mean: Floats
    scale: Floats
    basis: Bytes
    usual: Floats
    gain: float

    @property
    def width(self) -> int:
        return len(self.basis.scale) + len(self.usual)

    def seen(self, grid: Any) -> Any:
        """Components of pooled grids: [N, grid] to [N, components]."""
        return self.basis.after((grid - self.mean) / self.scale)

    def named(self, probabilities: Any) -> Any:
        """Logarithms of probabilities: [N, classes] to the same."""
        found = ops.log(probabilities + LEAST_PROBABILITY)
        return (found - ops.mean(found, axis=-1, keepdims=True) - self.usual) * self.gain

    def __call__(self, pooled: Any) -> Any:
        """Pooled features [N, grid + classes] to the image tower's input [N, width]."""
        grid = len(self.mean)
        return ops.concatenate([self.seen(pooled[:, :grid]), self.named(pooled[:, grid:])], axis=-1)


def fit_front(pooled: Floats, classes: int, components: int, whiten: float, gain: float) -> Front:
    """A front for the features of training photos.

    Args:
        pooled: [photos, grid + classes].
        classes: how many of the last columns are probabilities.
        components: how many to keep.
        whiten: power to which each component's deviation is divided away; 1 makes all alike.
        gain: deviation of the logarithms; that of the components is 1.
    """
    grid, probabilities = pooled[:, :-classes], pooled[:, -classes:]
    mean, scale = grid.mean(axis=0), grid.std(axis=0) + 1e-2
    standard = (grid - mean) / scale
    deviations, vectors = principal(standard, components)
    basis = vectors / np.maximum(deviations, 1e-2) ** whiten
    basis /= (standard @ basis).std()
    found = np.log(probabilities + LEAST_PROBABILITY)
    found -= found.mean(axis=1, keepdims=True)
    return Front(
        _single(mean), _single(scale), Bytes.of(_single(basis)), _single(found.mean(axis=0)), gain / float(found.std())
    )


def _single(array: NDArray[Any]) -> Floats:
    return np.ascontiguousarray(array, np.float32)


def principal(rows: Floats, count: int, passes: int = 3) -> tuple[Floats, Floats]:
    """Deviations and directions of the first principal components, [count] and [columns, count].

    By subspace iteration on a few more than are wanted (Halko et al., 2011, arXiv:0909.4061); there are no more
    components than rows or columns.
    """
    more = min(count + 32, *rows.shape)
    found = np.random.default_rng(0).normal(size=(rows.shape[1], more)).astype(np.float32)
    for _ in range(passes):
        found, _ = np.linalg.qr(rows.T @ (rows @ found))
    _, values, turned = np.linalg.svd(rows @ found, full_matrices=False)
    return values[:count] / len(rows) ** 0.5, found @ turned.T[:, :count]


def image_tower(plan: TagPlan, front: Front) -> keras.Model:
    """From what the front gives, [N, width], to embeddings [N, size]."""
    given = keras.Input((front.width,), name="front")
    found = layers.Dense(plan.size, name=STRAIGHT)(layers.Dropout(plan.drop)(given))
    return keras.Model(given, found, name="image")


class Space(keras.Model):  # type: ignore[misc]
    """The image tower over a fixed list of labels: front [N, width] to logits [N, labels].

    Each label has a direction of its own here, with a bias behind it; `LabelTower` finds out what they have to do with
    what the labels mean.
    """

    def __init__(self, image: keras.Model, start: Start) -> None:
        super().__init__()
        self.image = image
        image.get_layer(STRAIGHT).set_weights([start.kernel, start.bias])
        fixed = keras.initializers.Constant
        self.directions = self.add_weight(
            shape=start.directions.shape, initializer=fixed(start.directions), name="directions"
        )
        self.biases = self.add_weight(shape=start.biases.shape, initializer=fixed(start.biases), name="bias")

    def call(self, front: Any, training: bool = False) -> Any:
        return ops.matmul(self.image(front, training=training), ops.transpose(self.directions)) + self.biases


@dataclass(frozen=True, slots=True)
class LabelTower:
    """From the vector of any label to a direction with a bias behind it: kernel ridge regression on those learnt.

    A label's direction is what its meaning alone says, and a correction: a sum over the labels that were learnt, more
    of those whose vectors are near. That is what a Gaussian process expects (Rasmussen and Williams, 2006, chapter 2)
    whose observations, the directions learnt, are the surer the more photos show them. The first numbers of a
    direction are for what captions say, the rest for the classes; a label far from all captions has only these.

    Attributes:
        anchors: vectors of the labels that were learnt, [text, labels].
        parts: [labels, size + 1].
        reach: how far, in cosines, a label speaks for others.
        classes: what a label's meaning alone says.
    """

    anchors: Bytes
    parts: Floats
    reach: float
    classes: ClassSpace

    def __call__(self, vectors: Any) -> Any:
        """Vectors of length 1, [L, text], to [L, size + 1]."""
        by_meaning = meant(vectors, self.classes, self.parts.shape[1])
        return by_meaning + ops.matmul(kernel(vectors, self.anchors, self.reach), self.parts)


def meant(vectors: Any, classes: ClassSpace, width: int) -> Any:
    """Directions by meaning alone, with nothing in the places of captions: [L, text] to [L, width]."""
    found = classes.directions(vectors)
    return ops.pad(found, ((0, 0), (width - found.shape[1], 0)))


def kernel(vectors: Any, anchors: Bytes, reach: float) -> Any:
    """How alike vectors of length 1 are, from 0 to 1: [N, text] and [text, M] to [N, M]."""
    return ops.exp((anchors.after(vectors) - 1) / reach)


class LabelFit:
    """Fits label towers to directions of the same labels; what does not depend on the directions is computed once."""

    def __init__(self, vectors: Floats, shown: Floats, reach: float, doubt: float, classes: ClassSpace) -> None:
        """Set up the regression.

        Args:
            vectors: of the labels, [labels, text]; of length 1.
            shown: how many photos show each label, [labels].
            reach: see LabelTower.
            doubt: of a direction that one photo alone has taught, against how much directions differ.
            classes: see LabelTower.
        """
        self._vectors, self._anchors, self._reach, self._classes = vectors, Bytes.of(vectors.T), reach, classes
        alike = ops.convert_to_numpy(kernel(vectors, self._anchors, reach)).astype(np.float64)
        alike[np.diag_indices_from(alike)] += doubt / np.maximum(shown, 1e-3) + 1e-4
        self._inverse = np.linalg.inv(alike)

    def __call__(self, directions: Floats) -> LabelTower:
        """The tower that explains directions with biases behind them, [labels, size + 1]."""
        by_meaning = ops.convert_to_numpy(meant(self._vectors, self._classes, directions.shape[1]))
        parts = self._inverse @ (directions - by_meaning)
        return LabelTower(self._anchors, _single(parts), self._reach, self._classes)


def truth_loss(targets: Any, logits: Any) -> Any:
    """Binary cross-entropy summed over labels, mean over photos.

    Args:
        targets: [N, labels], how true each label is.
        logits: [N, labels].
    """
    return ops.mean(ops.sum(ops.softplus(logits) - targets * logits, axis=-1))
