"""The loss of next words."""

from __future__ import annotations

from typing import Any

from keras import ops

from core.heads.captions import PAD


def sentence_loss(targets: Any, logits: Any, smoothing: float) -> Any:
    """Cross-entropy with smoothed labels (Szegedy et al., 2016, arXiv:1512.00567), mean over a photo's words.

    Args:
        targets: int32 [N, K, T], the next words; PAD does not count.
        logits: float32 [N, K, T, words].
        smoothing: share of the target that is spread over all words.

    Returns:
        float32 [N].
    """
    chances = ops.log_softmax(logits)
    right = ops.squeeze(ops.take_along_axis(chances, targets[..., None], axis=-1), axis=-1)
    loss = -(1 - smoothing) * right - smoothing * ops.mean(chances, axis=-1)
    counts = ops.cast(targets != PAD, "float32")
    return ops.sum(loss * counts, axis=(1, 2)) / ops.sum(counts, axis=(1, 2))
