"""Scores of many texts are rounded as each alone is, to the bit."""

from __future__ import annotations

import numpy as np

from core.heads.ranking import DIGITS, rounded


def test_many_scores_are_rounded_as_each_alone() -> None:
    halves = [number / 128 for number in range(1, 128, 2)]  # .0078125: as near to .007812 as to .007813
    numbers = np.random.default_rng(0).random(100_000, np.float32)
    small = np.float32(10.0) ** np.random.default_rng(1).uniform(-9, 0, 100_000).astype(np.float32)
    scores = np.concatenate([np.float32([0, 1, 5e-7, 2.5e-6, *halves]), numbers, small, -numbers])
    assert rounded(scores).tolist() == [round(float(score), DIGITS) for score in scores]
