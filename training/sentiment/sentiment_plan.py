"""What an experiment says about training on sentiments."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field

from training.common.experiment import Plan, Settings


class ConvMember(Settings):
    """A convolutional network over word ids, see `training.common.texts.text_layers.ConvPool`."""

    dim: int
    filters: dict[int, int] = Field(description="How many filters of each width.")
    word_drop: float
    drop: float


class SentimentPlan(Plan):
    """A linear n-gram model and convolutional networks, trained side by side and weighed on validation reviews."""

    task: Literal["sentiment"] = "sentiment"
    members: tuple[ConvMember, ...]
    start: float = Field(description="First weight of every n-gram, times its log-count ratio.")
    gram_drop: float = Field(description="Share of the n-grams left out in training.")
    least_count: int = Field(description="N-grams in fewer training reviews start at 0 and stay there.")
    validation: float = Field(gt=0, lt=1, description="Share of the training reviews kept for weighing.")

    def shrunk(self) -> Self:
        """Narrow convolutions of one width."""
        narrow = {"dim": 8, "filters": {2: 8}}
        return self.model_copy(update={"members": tuple(each.model_copy(update=narrow) for each in self.members)})
