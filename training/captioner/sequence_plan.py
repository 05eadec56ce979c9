"""What an experiment says about training a captioner for whole sentences."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field

from training.common.experiment import Plan


class SequencePlan(Plan):
    """A captioner, trained for CIDEr-D from where a run of the next word has ended.

    Attributes:
        words: the experiment that it goes on from.
        encoder: the artefact that both stand on.
        flickr, others: photos in a step: of Flickr8k's layout, and others with captions of their own or found ones.
        steps: in an epoch.
        samples: sentences sampled for a photo in a step.
        temperature: of the sampling. A decoder that has learnt smoothed labels gives each of thousands of wrong words a
            little; at a temperature of 1 most sentences would have one.
        drop: the decoder's dropout, less than before: the sentences were sampled without any.
        least_references: captions that a photo needs, for their mean to say what a good sentence is.
        average: momentum of the moving average of the weights.
    """

    task: Literal["caption-sequence"] = "caption-sequence"
    words: str
    encoder: str
    flickr: int = Field(ge=0)
    others: int = Field(ge=0)
    steps: int = Field(ge=1)
    samples: int = Field(ge=2)
    temperature: float = Field(gt=0, le=1)
    drop: float = Field(ge=0, lt=1)
    least_references: int = Field(ge=1)
    average: float = Field(ge=0, lt=1)

    def needed_artefacts(self) -> tuple[str, ...]:
        """The encoder."""
        return (self.encoder,)

    def shrunk(self) -> Self:
        """Two sentences a photo, two steps."""
        fewer = {"samples": 2, "average": 0.5, "flickr": 4, "others": 4, "steps": 2, "least_references": 1}
        return self.model_copy(update=fewer)
