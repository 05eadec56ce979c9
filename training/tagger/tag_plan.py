"""What an experiment says about training a tagger."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field

from training.common.experiment import Plan


class TagPlan(Plan):
    """Two towers, for pooled features of photos and for label vectors, learnt from words of captions.

    Attributes:
        encoder, text: names of the artefacts that it stands on; looked for beside the new one, then in models/.
        template: what is said of a label to the text encoder.
        views: of each photo, see `training.common.photos.augment`.
        words, phrases, labels: least photos of a word, of two words side by side, and of a given label, to be learnt.
        held_out: whether the forty labels of `training.tagger.held_out_words` are kept away, and all photos that have
            one, to be measured on.
        second: the artefact of another tagger whose numbers the card reports, from which labels were held out.
        components, whiten, gain: of the features, see `training.tagger.feature_transform`.
        size, class_size: numbers of an embedding for what captions say, and for classes.
        penalty: of the linear map that training starts from, see `training.tagger.reduced_rank_ridge`.
        bandwidth, noise: of the label tower, see `training.tagger.label_tower.LabelTowerFit`.
    """

    task: Literal["tag"] = "tag"
    encoder: str
    text: str
    template: str
    views: int = Field(ge=1)
    words: int
    phrases: int
    labels: int
    held_out: bool = False
    second: str | None = None
    components: int
    whiten: float
    gain: float
    size: int
    class_size: int
    penalty: float
    drop: float
    bandwidth: float
    noise: float
    weight_decay: float

    def needed_artefacts(self) -> tuple[str, ...]:
        """The encoders of photos and of labels."""
        return self.encoder, self.text

    def shrunk(self) -> Self:
        """Rare words are learnt too, into few numbers."""
        fewer = {
            "views": 2,
            "words": 2,
            "phrases": 2,
            "labels": 1,
            "second": None,
            "components": 8,
            "size": 16,
            "class_size": 8,
        }
        return self.model_copy(update=fewer)
