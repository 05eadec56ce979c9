"""BLEU and CIDEr of captions, as pycocoevalcap 1.2 computes them from words that are split already."""

from __future__ import annotations

from collections.abc import Sequence

from pycocoevalcap.bleu.bleu import Bleu
from pycocoevalcap.cider.cider import Cider


def caption_scores(captions: Sequence[str], references: Sequence[Sequence[Sequence[str]]]) -> dict[str, float]:
    """Corpus scores.

    Args:
        captions: one for each photo, words with a space between.
        references: for each photo the words of what people said.

    Returns:
        "bleu_1" to "bleu_4" (Papineni et al., 2002) and "cider" (Vedantam et al., 2015, arXiv:1411.5726; CIDEr-D).
    """
    said = {at: [caption] for at, caption in enumerate(captions)}
    right = {at: [" ".join(words) for words in photo] for at, photo in enumerate(references)}
    bleu, _ = Bleu(4).compute_score(right, said, verbose=0)
    cider, _ = Cider().compute_score(right, said)
    return {**{f"bleu_{order}": float(score) for order, score in enumerate(bleu, 1)}, "cider": float(cider)}
