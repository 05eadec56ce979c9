"""What happens to the encoder's pooled features before anything is learnt from captions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from keras import ops
from numpy.typing import NDArray

from training.common.labels.principal import principal_components
from training.tagger.int8_matrix import Int8Matrix

Floats = NDArray[np.float32]
LEAST_PROBABILITY = 1e-3  # smaller ones are noise


@dataclass(frozen=True, slots=True)
class FeatureTransform:
    """Pooled features to the image tower's input.

    The pooled grid is standardised and projected on its principal components. The classes' probabilities become
    logarithms about their mean: the classifier's logits, but that small probabilities count as equal.

    Attributes:
        mean, scale: of the pooled grid, [grid].
        basis: [grid, components].
        log_mean: of the logarithms, [classes].
        gain: of the logarithms, so that they count as much as they should.
    """

    mean: Floats
    scale: Floats
    basis: Int8Matrix
    log_mean: Floats
    gain: float

    @property
    def width(self) -> int:
        """Numbers of the result."""
        return len(self.basis.scale) + len(self.log_mean)

    def __call__(self, pooled: Any) -> Any:
        """Pooled features [N, grid + classes] to the image tower's input [N, width]."""
        grid, probabilities = pooled[:, : len(self.mean)], pooled[:, len(self.mean) :]
        components = self.basis.multiply((grid - self.mean) / self.scale)
        logs = ops.log(probabilities + LEAST_PROBABILITY)
        logs = (logs - ops.mean(logs, axis=-1, keepdims=True) - self.log_mean) * self.gain
        return ops.concatenate([components, logs], axis=-1)


def fit_feature_transform(
    pooled: Floats, classes: int, components: int, whiten: float, gain: float
) -> FeatureTransform:
    """The transform for the features of training photos.

    Args:
        pooled: [photos, grid + classes].
        classes: how many of the last columns are probabilities.
        components: how many principal components to keep.
        whiten: power to which each component's deviation is divided away; 1 makes all alike.
        gain: deviation of the logarithms; that of the components is 1.
    """
    grid, probabilities = pooled[:, :-classes], pooled[:, -classes:]
    mean, scale = grid.mean(axis=0), grid.std(axis=0) + 1e-2
    standard = (grid - mean) / scale
    deviations, vectors = principal_components(standard, components)
    basis = vectors / np.maximum(deviations, 1e-2) ** whiten
    basis /= (standard @ basis).std()
    logs = np.log(probabilities + LEAST_PROBABILITY)
    logs -= logs.mean(axis=1, keepdims=True)
    return FeatureTransform(
        _single(mean),
        _single(scale),
        Int8Matrix.of(_single(basis)),
        _single(logs.mean(axis=0)),
        gain / float(logs.std()),
    )


def _single(array: NDArray[np.floating]) -> Floats:
    return np.ascontiguousarray(array, np.float32)
