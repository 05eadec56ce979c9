"""The label heads of a captioner: linear maps from the mean of the grid to how likely each label is.

Training photos get the predictions of maps that were fitted without them (cross-fitting), or the captioner would learn
to trust labels that it will never get.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.common.calibration import logistic_regression, sigmoid
from training.common.labels.label_targets import LabelGroup, LabelTargets
from training.common.labels.principal import principal_components
from training.common.labels.weighted_ridge import weighted_ridge

FOLDS = 4
COMPONENTS = 512
PENALTY = 2000.0
KNOWN = 0.5  # least weight of a photo that counts in calibration
MODERATION = 0.03  # rare labels move less: little is known of them

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class LabelHeads:
    """Logits of labels: features times `kernel` plus `bias`; [features, labels] and [labels]."""

    kernel: Floats
    bias: Floats

    def __call__(self, features: Floats) -> Floats:
        """How likely each label is, [photos, labels]."""
        found: Floats = sigmoid(features @ self.kernel + self.bias).astype(np.float32)
        return found


@dataclass(frozen=True, slots=True)
class FittedHeads:
    """Heads of all photos, and what heads say of each view of each training photo that were fitted without it.

    Attributes:
        heads: the map.
        views: one array a view, [photos, labels].
    """

    heads: LabelHeads
    views: tuple[Floats, ...]


def fit_label_heads(views: tuple[Floats, ...], targets: LabelTargets, seed: int) -> FittedHeads:
    """Fit the heads.

    Args:
        views: features of views of training photos, each [photos, features]; the first is what is learnt from.
        targets: of the photos.
        seed: decides who is in which fold.
    """
    features = views[0]
    mean, scale = features.mean(axis=0), features.std(axis=0) + 1e-2
    basis = _basis((features - mean) / scale) / scale[:, None]
    small = [(view - mean) @ basis for view in views]
    folds = np.random.default_rng(seed).permutation(len(features)) % FOLDS
    held_out = [np.zeros_like(targets.values) for _ in views]
    for fold in range(FOLDS):
        rest, out = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
        kernel = _logit_kernel(small[0][rest], _rows(targets, rest))
        for view, found in zip(small, held_out, strict=True):
            found[out] = view[out] @ kernel
    factor, constant = _calibration(held_out[0], targets)
    kernel = _logit_kernel(small[0], targets)
    rates = _logit_rates(targets)
    heads = LabelHeads(
        (basis @ kernel * factor).astype(np.float32),
        ((rates - (mean @ basis) @ kernel) * factor + constant).astype(np.float32),
    )
    said = tuple(sigmoid((found + rates) * factor + constant).astype(np.float32) for found in held_out)
    return FittedHeads(heads, said)


def _basis(standard: Floats) -> Floats:
    _, vectors = principal_components(standard, COMPONENTS)
    return vectors


def _logit_kernel(inputs: Floats, targets: LabelTargets) -> Floats:
    """Slopes of logits. A difference in a probability p is one in its logit, 1 / (p (1 - p)) times as large."""
    slopes = weighted_ridge(inputs, targets, PENALTY)
    rates = np.clip(targets.rates, 1e-4, 0.99)
    found: Floats = (slopes / (rates * (1 - rates) + MODERATION)).astype(np.float32)
    return found


def _logit_rates(targets: LabelTargets) -> Floats:
    rates = np.clip(targets.rates, 1e-4, 0.99)
    found: Floats = np.log(rates / (1 - rates)).astype(np.float32)
    return found


def _calibration(held_out: Floats, targets: LabelTargets) -> tuple[float, float]:
    """Factor and constant that make logits chances, by Platt's method over what is known of the photos."""
    logits, truths = [], []
    for group in targets.groups:
        rows = np.flatnonzero(group.weights >= KNOWN)
        block = np.ix_(rows, group.columns)
        logits.append((held_out + _logit_rates(targets))[block].ravel())
        truths.append((targets.values[block] >= KNOWN).ravel())
    flat, true = np.concatenate(logits), np.concatenate(truths)
    if len(flat) > 2_000_000:
        some = np.random.default_rng(0).choice(len(flat), 2_000_000, replace=False)
        flat, true = flat[some], true[some]
    factor, constant = logistic_regression(flat[:, None], true)
    return float(factor), float(constant)


def _rows(targets: LabelTargets, rows: NDArray[np.intp]) -> LabelTargets:
    groups = tuple(LabelGroup(group.columns, group.weights[rows]) for group in targets.groups)
    return LabelTargets(targets.labels, targets.values[rows], targets.rates, targets.shown, groups)
