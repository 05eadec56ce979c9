"""Fold batch normalisation into the convolution before it.

At inference a batch normalisation is a scale and a shift per channel, so it can be multiplied into the kernel and
added to the bias (Ioffe and Szegedy, 2015, https://arxiv.org/abs/1502.03167): fewer operations, same result.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
EPSILON = 1e-3


def fold(
    state: Mapping[str, NDArray[np.generic]], conv: str, norm: str, epsilon: float = EPSILON
) -> tuple[Array, Array]:
    """Kernel and bias of convolution `conv` followed by batch normalisation `norm`.

    Args:
        state: tensors by name in PyTorch's layout; `conv` has a weight [out, in, height, width] and no bias.
        conv: prefix of the convolution's names, without the dot.
        norm: prefix of the batch normalisation's names, without the dot.
        epsilon: what the network adds to the variance.

    Returns:
        The kernel, float32 [out, in, height, width], and the bias, float32 [out].
    """
    weight = state[f"{conv}.weight"].astype(np.float64)
    deviation = np.sqrt(state[f"{norm}.running_var"].astype(np.float64) + epsilon)
    scale = state[f"{norm}.weight"].astype(np.float64) / deviation
    bias = state[f"{norm}.bias"].astype(np.float64) - state[f"{norm}.running_mean"].astype(np.float64) * scale
    return (weight * scale[:, None, None, None]).astype(np.float32), bias.astype(np.float32)
