"""The networks that a tagger trains: the image tower, and the tower over a fixed list of labels; their loss."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers, ops

from training.tagger.reduced_rank_ridge import LinearMap
from training.tagger.tag_plan import TagPlan

LINEAR = "linear"


def image_tower(plan: TagPlan, width: int) -> keras.Model:
    """From transformed features, [N, width], to embeddings [N, size]."""
    given = keras.Input((width,), name="features")
    found = layers.Dense(plan.size, name=LINEAR)(layers.Dropout(plan.drop)(given))
    return keras.Model(given, found, name="image")


class TagNetwork(keras.Model):  # type: ignore[misc]
    """The image tower over a fixed list of labels: transformed features [N, width] to logits [N, labels].

    Each label has a direction of its own here, with a bias; a `LabelTower` then learns how these follow from what the
    labels mean.
    """

    def __init__(self, image: keras.Model, start: LinearMap) -> None:
        """`image`: the tower; `start`: what weights, directions and biases begin with."""
        super().__init__()
        self.image = image
        image.get_layer(LINEAR).set_weights([start.kernel, start.bias])
        fixed = keras.initializers.Constant
        self.directions = self.add_weight(
            shape=start.directions.shape, initializer=fixed(start.directions), name="directions"
        )
        self.biases = self.add_weight(shape=start.biases.shape, initializer=fixed(start.biases), name="bias")

    def call(self, features: Any, training: bool = False) -> Any:
        """Logits of the labels."""
        return ops.matmul(self.image(features, training=training), ops.transpose(self.directions)) + self.biases


def label_loss(targets: Any, logits: Any) -> Any:
    """Binary cross-entropy summed over labels, mean over photos.

    Args:
        targets: [N, labels, 2], how true each label is, 0 to 1, and how much that counts.
        logits: [N, labels].
    """
    values, weights = targets[..., 0], targets[..., 1]
    return ops.mean(ops.sum(weights * (ops.softplus(logits) - values * logits), axis=-1))
