"""Many texts at once into the numbers a model takes: what `prepare_text` gives for each, many times as fast."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from core.errors import ItemError
from core.texts.features import CharGrams, Chars, TokenGrams, char_ids, encode
from core.texts.many_grams import char_grams, token_grams
from core.texts.prepare import TextSpec, clean_text
from core.texts.prepared import PreparedTexts


def prepare_texts(texts: Sequence[str], spec: TextSpec) -> tuple[PreparedTexts, Mapping[int, ItemError]]:
    """What a model takes for texts. Safe to call from several threads at once.

    Returns:
        Those that it can take, in their order, and by its place the error of each other text, as `prepare_text` raises
        it.
    """
    clean: list[str] = []
    kept: list[str] = []
    truncated: list[bool] = []
    errors: dict[int, ItemError] = {}
    for place, text in enumerate(texts):
        original = text[: spec.max_chars]
        try:
            clean.append(clean_text(original, spec))
        except ItemError as error:
            errors[place] = error
        else:
            kept.append(original)
            truncated.append(len(text) > spec.max_chars)
    return _encoded(clean, kept, spec, np.array(truncated, bool)), errors


def _encoded(clean: Sequence[str], kept: Sequence[str], spec: TextSpec, truncated: np.ndarray) -> PreparedTexts:
    match spec.features:
        case CharGrams() as features:
            return PreparedTexts(*char_grams(clean, kept, features), truncated)
        case TokenGrams() as features:
            return PreparedTexts(*token_grams(clean, features), truncated)
        case Chars() as features:
            ids = char_ids("".join(f" {text} " for text in clean), features.alphabet)
            return PreparedTexts(ids, np.cumsum([len(text) + 2 for text in clean], dtype=np.int64), truncated)
        case features:
            each = [encode(text, features, original) for text, original in zip(clean, kept, strict=True)]
            ends = np.cumsum([len(ids) for ids in each], dtype=np.int64)
            return PreparedTexts(np.concatenate(each) if each else np.zeros((0, 0), np.int32), ends, truncated)
