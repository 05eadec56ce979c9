"""What an experiment says about fine-tuning the shared encoder."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field

from training.common.captions.decoder_net import DecoderNet
from training.common.experiment import Plan


class EncoderPlan(Plan):
    """The last layers of the shared encoder, fine-tuned with a captioner behind them.

    Attributes:
        net: the captioner's decoder.
        views: of each photo, see `training.common.photos.augment`.
        least_count: words said less often are not learnt.
        most_words: longest caption learnt from.
        encoder_rate: the encoder's part of the learning rate.
        warm_up: steps until the learning rate is reached.
        word_loss: weight of naming the photo's words from the pooled grid.
        smoothing: of the words' labels.
        average: momentum of the moving average of the weights.
    """

    task: Literal["encoder"] = "encoder"
    net: DecoderNet
    views: int = Field(ge=1)
    least_count: int
    most_words: int
    encoder_rate: float
    warm_up: int
    weight_decay: float
    word_loss: float
    smoothing: float
    average: float = Field(ge=0, lt=1)

    def shrunk(self) -> Self:
        """A decoder of one narrow layer, two views of each photo, short sentences."""
        net = self.net.model_copy(update={"layers": 1, "dim": 32, "heads": 2, "hidden": 32})
        fewer = {"views": 2, "least_count": 2, "most_words": 8, "warm_up": 2, "average": 0.5}
        return self.model_copy(update={"net": net, **fewer})
