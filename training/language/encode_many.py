"""Encode very many texts at once: the same ids as `core.texts.prepare` gives one by one, many times as fast.

Training sees a million spellings of words; hashing each by itself would take longer than learning from them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from core.texts.prepare import TextSpec
from core.texts.prepare_many import prepare_texts

Ids = NDArray[np.int32]
AT_ONCE = 1 << 16  # texts; bounds the memory


def encode_many(texts: Sequence[str], spec: TextSpec) -> list[Ids]:
    """Ids of each text, as `prepare_text` gives them.

    Raises:
        ItemError: one of them is empty, or has no letter where the features need one.
    """
    found: list[Ids] = []
    for at in range(0, len(texts), AT_ONCE):
        prepared, errors = prepare_texts(texts[at : at + AT_ONCE], spec)
        if errors:
            raise errors[min(errors)]
        found += np.split(prepared.ids, prepared.ends[:-1]) if len(prepared) else []
    return found
