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


class LinearGrams(Settings):
    """A model that is linear in n-grams, see `training.sentiment.sentiment_grams`."""

    slots: int = Field(description="Rows of its table, a power of two; of n-grams that share one the commonest has it.")
    least_count: int = Field(ge=1, description="N-grams in fewer training reviews weigh nothing.")
    ridge: float = Field(gt=0, description="Against large weights, see `gram_weights`.")
    passes: int = Field(ge=1, description="Over the training reviews, to find the weights.")


class SentimentPlan(Plan):
    """A linear n-gram model, solved, and convolutional networks, trained; all weighed on validation reviews."""

    task: Literal["sentiment"] = "sentiment"
    members: tuple[ConvMember, ...]
    grams: LinearGrams
    validation: float = Field(gt=0, lt=1, description="Share of the training reviews kept for weighing.")

    def shrunk(self) -> Self:
        """A small table, and narrow convolutions of one width."""
        narrow = {"dim": 8, "filters": {2: 8}}
        members = tuple(each.model_copy(update=narrow) for each in self.members)
        grams = self.grams.model_copy(update={"slots": 1 << 10, "passes": 5})
        return self.model_copy(update={"members": members, "grams": grams})
