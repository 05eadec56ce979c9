"""What an experiment says about training a spam filter."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field

from training.common.experiment import Plan


class SpamPlan(Plan):
    """Linear models, one a fold, each trained without its fold; served together."""

    task: Literal["spam"] = "spam"
    folds: int
    weight_decay: float
    spam_weight: float = Field(description="How much more a spam counts than a ham.")

    def shrunk(self) -> Self:
        """The same: linear models are small."""
        return self
