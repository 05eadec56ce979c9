"""Two towers into one space: photos by pooled features, labels by vectors of a text encoder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import layers, ops
from numpy.typing import NDArray

from training.experiment import TagPlan

Floats = NDArray[np.float32]
RARE = -4.0  # most labels are not true of most photos


@dataclass(frozen=True, slots=True)
class Front:
    """What happens to pooled features before anything is learnt from captions.

    The pooled grid is standardised and projected on its principal components. The classes' probabilities become
    the mean of the classes' label vectors (ConSE; Norouzi et al., 2014, arXiv:1312.5650), which places what the
    classifier sees among labels that no caption has.

    Attributes:
        mean, scale: of the pooled grid, [grid].
        basis: [grid, components].
        classes: a vector for each class, [classes, text]; centred, of standard deviation about 1 in use.
        centre: what the means of class vectors are about, [text].
    """

    mean: Floats
    scale: Floats
    basis: Floats
    classes: Floats
    centre: Floats

    @property
    def width(self) -> int:
        return self.basis.shape[1] + self.classes.shape[1]

    def seen(self, grid: Any) -> Any:
        """Components of pooled grids: [N, grid] to [N, components]."""
        return ops.matmul((grid - self.mean) / self.scale, self.basis)

    def named(self, probabilities: Any) -> Any:
        """Mean class vectors: [N, classes] to [N, text]."""
        return ops.matmul(probabilities, self.classes) - self.centre

    def __call__(self, pooled: Any) -> Any:
        """Pooled features [N, grid + classes] to the image tower's input [N, width]."""
        grid = len(self.mean)
        return ops.concatenate([self.seen(pooled[:, :grid]), self.named(pooled[:, grid:])], axis=-1)


def fit_front(pooled: Floats, classes: Floats, components: int, whiten: float) -> Front:
    """A front for the features of training photos.

    Args:
        pooled: [photos, grid + classes].
        classes: label vector of each class, [classes, text].
        components: how many to keep.
        whiten: power to which each component's deviation is divided away; 1 makes all alike.
    """
    grid, probabilities = pooled[:, : -len(classes)], pooled[:, -len(classes) :]
    mean, scale = grid.mean(axis=0), grid.std(axis=0) + 1e-2
    standard = (grid - mean) / scale
    deviations, vectors = principal(standard, components)
    basis = vectors / np.maximum(deviations, 1e-2) ** whiten
    basis /= (standard @ basis).std()
    named = probabilities @ classes
    gain = 1 / named.std(axis=0).mean()
    arrays = (mean, scale, basis, classes * gain, named.mean(axis=0) * gain)
    return Front(*(np.ascontiguousarray(array, np.float32) for array in arrays))


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
    """From what the front gives, [N, width], to the embeddings of several members, [N, members, size]."""
    given = keras.Input((front.width,), name="front")
    named = given[:, front.basis.shape[1] :]
    found = []
    for member in range(plan.members):
        x = layers.Dropout(plan.drop_in)(given)
        x = layers.Dense(plan.hidden, activation="gelu", name=f"hidden_{member}")(x)
        x = layers.Dense(plan.size, name=f"seen_{member}")(layers.Dropout(plan.drop)(x))
        x = x + layers.Dense(plan.size, use_bias=False, name=f"named_{member}")(named)
        found.append(layers.Reshape((1, plan.size))(x))
    return keras.Model(given, layers.Concatenate(axis=1)(found) if len(found) > 1 else found[0], name="image")


def label_tower(plan: TagPlan, vectors: Floats) -> keras.Model:
    """From vectors of labels [L, text] to directions with a bias behind each, [L, size + 1].

    Args:
        plan: sizes.
        vectors: of the labels that are learnt; they say what is usual.
    """
    given = keras.Input((vectors.shape[1],), name="label")
    usual, gain = vectors.mean(axis=0), 1 / vectors.std(axis=0).mean()
    x = (given - usual) * gain
    deep = layers.Dense(plan.label_hidden, activation="gelu", name="label_hidden")(layers.Dropout(plan.label_drop)(x))
    deep = layers.Dense(plan.size + 1, name="label_deep")(layers.Dropout(plan.label_drop)(deep))
    flat = layers.Dense(plan.size + 1, use_bias=False, name="label_flat")(layers.Dropout(plan.label_drop)(x))
    found = deep + flat
    scaled = found[:, :-1] / plan.size**0.5
    return keras.Model(given, ops.concatenate([scaled, found[:, -1:] + RARE], axis=-1), name="label")


class Space(keras.Model):  # type: ignore[misc]
    """Both towers over a fixed list of labels: front [N, width] to logits [N, members, labels]."""

    def __init__(self, image: keras.Model, label: keras.Model, vectors: Floats) -> None:
        super().__init__()
        self.image, self.label = image, label
        self._vectors = vectors

    def call(self, front: Any, training: bool = False) -> Any:
        directions = self.label(self._vectors, training=training)
        embeddings = self.image(front, training=training)
        return ops.matmul(embeddings, ops.transpose(directions[:, :-1])) + directions[:, -1]


def each_member(targets: Any, logits: Any) -> Any:
    """Binary cross-entropy summed over labels, each member by itself, so that they err apart; mean over photos.

    Args:
        targets: [N, labels], how true each label is; below 0 where nothing is known.
        logits: [N, members, labels].
    """
    known = ops.cast(targets >= 0, "float32")[:, None]
    wanted = ops.maximum(targets, 0.0)[:, None]
    losses = known * (ops.softplus(logits) - wanted * logits)
    return ops.mean(ops.sum(losses, axis=-1))
