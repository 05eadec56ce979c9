"""Vectors of texts by a sentence encoder in the form of BERT (Reimers and Gurevych, 2019, arXiv:1908.10084).

Training and the worker share this, so both compute the same vector for a label.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Part = Callable[[Mapping[str, NDArray[Any]], Sequence[str]], Mapping[str, NDArray[Any]]]

STATES = "last_hidden_state"
AT_ONCE = 64


def text_vectors(run: Part, texts: Sequence[Sequence[int]]) -> Floats:
    """The mean of an encoder's states over each text, scaled to length 1.

    Texts of the same length run together, so there is no padding that could change a vector.

    Args:
        run: the encoder's graph, from `input_ids`, `attention_mask` and `token_type_ids`, int64 [N, L], to
            `last_hidden_state`, float32 [N, L, size].
        texts: ids of each text's word pieces, with start and end; at least one text.

    Returns:
        float32 [len(texts), size].
    """
    groups: dict[int, list[int]] = {}
    for at, ids in enumerate(texts):
        groups.setdefault(len(ids), []).append(at)
    found: dict[int, Floats] = {}
    for group in groups.values():
        for start in range(0, len(group), AT_ONCE):
            chosen = group[start : start + AT_ONCE]
            found.update(zip(chosen, _run(run, [texts[at] for at in chosen]), strict=True))
    return np.stack([found[at] for at in range(len(texts))])


def _run(run: Part, texts: Sequence[Sequence[int]]) -> Floats:
    ids = np.array(texts, np.int64)
    feeds = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
    means = run(feeds, (STATES,))[STATES].mean(axis=1)
    scaled: Floats = (means / np.linalg.norm(means, axis=1, keepdims=True)).astype(np.float32)
    return scaled
