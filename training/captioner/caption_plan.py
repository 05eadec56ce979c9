"""What an experiment says about training a captioner."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field

from training.common.experiment import Plan


class CaptionPlan(Plan):
    """A captioner, trained for CIDEr-D from where an encoder's run has ended.

    Attributes:
        encoder: the experiment that it goes on from.
        views: of each photo, see `training.common.photos.augment`.
        photos: how many, drawn anew, make an epoch; all of them if they are fewer.
        samples: sentences sampled for a photo in a step.
        temperature: of the sampling. A decoder that has learnt smoothed labels gives each of thousands of wrong words a
            little; at a temperature of 1 most sentences would have one.
        drop: the decoder's dropout, less than before: the sentences were sampled without any.
        average: momentum of the moving average of the weights.
    """

    task: Literal["caption"] = "caption"
    encoder: str
    views: int = Field(ge=1)
    photos: int = Field(ge=1)
    samples: int = Field(ge=2)
    temperature: float = Field(gt=0, le=1)
    drop: float = Field(ge=0, lt=1)
    average: float = Field(ge=0, lt=1)

    def shrunk(self) -> Self:
        """Two sentences a photo."""
        return self.model_copy(update={"samples": 2, "average": 0.5})
