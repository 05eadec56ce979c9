"""Ridge regression of many labels at once, where photos count differently for different labels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from training.common.labels.label_targets import LabelTargets

Doubles = NDArray[np.float64]


def weighted_ridge(inputs: NDArray[np.floating], targets: LabelTargets, penalty: float) -> Doubles:
    """The slope of each label: what to multiply inputs about their mean with, to come nearest to a label's value about
    its rate.

    Args:
        inputs: about their mean, [photos, width].
        targets: of the same photos.
        penalty: as if so many further photos asked for slopes of 0.

    Returns:
        float64 [width, labels].
    """
    # Photos that count alike for every group share one product: as many products as kinds of photos, not as groups.
    counts, kinds = np.unique(np.stack([g.weights for g in targets.groups], axis=1), axis=0, return_inverse=True)
    members = [inputs[kinds.ravel() == kind] for kind in range(len(counts))]
    spreads = np.stack([(rows.T @ rows).astype(np.float64) for rows in members])
    slopes, ridge = np.zeros((inputs.shape[1], len(targets.labels))), penalty * np.eye(inputs.shape[1])
    for at, group in enumerate(targets.groups):
        spread = np.tensordot(counts[:, at].astype(np.float64), spreads, axes=1)
        about = (targets.values[:, group.columns] - targets.rates[group.columns]) * group.weights[:, None]
        slopes[:, group.columns] = np.linalg.solve(spread + ridge, inputs.T @ about)
    return slopes
