"""What an experiment says about training a captioner."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field

from training.common.captions.decoder_net import DecoderNet
from training.common.experiment import Plan, Settings


class Mix(Settings):
    """Examples of each kind in a step, and how much each counts.

    Attributes:
        flickr, others: photos with captions: of Flickr8k's layout, and all others.
        found: photos whose captions were found by their labels; each counts `found_weight`.
        texts: images that are not there, with their captions and labels; each counts `text_weight`.
    """

    flickr: int = Field(ge=0)
    others: int = Field(ge=0)
    found: int = Field(ge=0)
    texts: int = Field(ge=0)
    found_weight: float = 0.7
    text_weight: float = 0.5


class CaptionPlan(Plan):
    """A captioner that learns the next word, on grid and labels.

    Attributes:
        encoder: the artefact that it stands on.
        start: the artefact of a captioner that it goes on from; None to start from nothing.
        keep: whether it keeps the words, the labels and the label heads of `start`, and learns new words beside them.
        net: the decoder.
        views: of each photo, see `training.common.photos.augment`.
        components: see `training.common.photos.grid_projection`.
        least_count, most_known: words said less often are not learnt, nor more words than these.
        most_words: longest caption learnt from.
        mix: what a step consists of.
        steps: in an epoch.
        captions: of each example in a step.
        warm_up: steps until the learning rate is reached.
        smoothing: of the words' labels.
        drop_seen, drop_labels: share of examples whose grid, and whose labels, are hidden.
        average: momentum of the moving average of the weights.
    """

    task: Literal["caption"] = "caption"
    encoder: str
    start: str | None
    keep: bool = False
    net: DecoderNet
    views: int = Field(ge=1)
    components: int = Field(ge=0)
    least_count: int
    most_known: int
    most_words: int
    mix: Mix
    steps: int = Field(ge=1)
    captions: int = Field(ge=1, le=5)
    warm_up: int
    weight_decay: float
    smoothing: float
    drop_seen: float = Field(ge=0, lt=1)
    drop_labels: float = Field(ge=0, lt=1)
    average: float = Field(ge=0, lt=1)

    def needed_artefacts(self) -> tuple[str, ...]:
        """The encoder, and what it goes on from."""
        return (self.encoder, *([self.start] if self.start else []))

    def shrunk(self) -> Self:
        """A decoder of one narrow layer, a few steps, short sentences."""
        net = self.net.model_copy(update={"layers": 1, "dim": 32, "heads": 2, "hidden": 32})
        mix = self.mix.model_copy(update={"flickr": 4, "others": 4, "found": 2, "texts": 2})
        fewer = {
            "start": None,
            "keep": False,
            "views": 2,
            "components": 16,
            "least_count": 2,
            "most_words": 8,
            "steps": 2,
        }
        return self.model_copy(update={"net": net, "mix": mix, "warm_up": 2, "average": 0.5, **fewer})
