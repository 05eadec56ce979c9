"""The best weights of a model that is linear in n-grams: a convex problem, solved to its end, in numpy.

Adam takes steps of one size for every n-gram, so the rare ones, which are names of films, learn too much. What has one
best answer need not be learnt by steps: BFGS with a limited memory (Nocedal, 1980,
https://doi.org/10.1090/S0025-5718-1980-0572855-7) is there after some fifty passes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.common.calibration import sigmoid

Floats = NDArray[np.floating[Any]]
Ids = NDArray[np.int32]
Loss = Callable[[Floats], tuple[float, Floats]]
MEMORY = 8  # pairs of steps and changes of slope
ENOUGH = 1e-4  # of a step's slope, that the loss must fall by at least (Armijo)


def gram_weights(items: Sequence[Ids], labels: NDArray[np.bool_], scale: Floats, ridge: float, passes: int) -> Floats:
    """Weights of n-grams and a constant, by logistic regression with ridge.

    A text's logit is the sum over its n-grams of weight times scale, over the root of their number, plus the constant.

    Args:
        items: of each text its different n-grams, indices into `scale`; their number counts those with scale 0 too.
        labels: bool [len(items)].
        scale: float [n-grams], such as log-count ratios; where it is 0 the weight stays 0.
        ridge: how much half the sum of the squared weights counts against the sum of the cross-entropies.
        passes: over the texts, at most.

    Returns:
        float32 [n-grams + 1], the constant last.
    """
    known = np.flatnonzero(scale)
    place = np.full(len(scale), -1, np.int32)
    place[known] = np.arange(len(known), dtype=np.int32)
    flat = place[np.concatenate(items)]
    owner = np.repeat(np.arange(len(items), dtype=np.int32), [len(item) for item in items])
    flat, owner = flat[flat >= 0], owner[flat >= 0]
    roots = np.sqrt([max(len(item), 1) for item in items])
    known_scale = scale[known]

    def loss(weights: Floats) -> tuple[float, Floats]:
        values = known_scale * weights[:-1]
        logits = np.bincount(owner, values[flat], len(items)) / roots + weights[-1]
        error = sigmoid(logits) - labels
        slope = known_scale * np.bincount(flat, (error / roots)[owner], len(known)) + ridge * weights[:-1]
        entropy = np.logaddexp(0, logits) - labels * logits
        return float(entropy.sum() + ridge / 2 * weights[:-1] @ weights[:-1]), np.append(slope, error.sum())

    found = minimise(loss, np.zeros(len(known) + 1), passes)
    weights = np.zeros(len(scale) + 1, np.float32)
    weights[known], weights[-1] = found[:-1], found[-1]
    return weights


def minimise(loss: Loss, start: Floats, passes: int) -> Floats:
    """Where a smooth convex function is least, by L-BFGS with steps that are halved until it falls.

    Args:
        loss: gives value and slope.
        start: where to begin.
        passes: how often `loss` may be called, about.
    """
    at, (value, slope) = start, loss(start)
    memory: deque[tuple[Floats, Floats]] = deque(maxlen=MEMORY)
    step = 1 / max(float(np.linalg.norm(slope)), 1.0)
    passes -= 1
    while passes > 0:
        way = -_divided(slope, memory)
        step, fall = 1.0 if memory else step, float(way @ slope)
        while passes > 0:
            passes -= 1
            there = at + step * way
            new_value, new_slope = loss(there)
            if new_value <= value + ENOUGH * step * fall:
                break
            step /= 2
        else:
            return at
        moved, changed = there - at, new_slope - slope
        if float(moved @ changed) > 0:
            memory.append((moved, changed))
        at, value, slope = there, new_value, new_slope
    return at


def _divided(slope: Floats, memory: Sequence[tuple[Floats, Floats]]) -> Floats:
    """The slope over the curvature that the last steps have shown (the two loops of L-BFGS)."""
    result, shares = slope.copy(), []
    for moved, changed in reversed(memory):
        share = float(moved @ result) / float(moved @ changed)
        result -= share * changed
        shares.append(share)
    if memory:
        moved, changed = memory[-1]
        result *= float(moved @ changed) / float(changed @ changed)
    for (moved, changed), share in zip(memory, reversed(shares), strict=True):
        result += moved * (share - float(changed @ result) / float(moved @ changed))
    return result
