"""What an experiment file says, typed: an unknown setting is an error, not a surprise."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from core.texts.prepare import TextSpec

KEPT = "experiment.json"


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)


class Schedule(_Settings):
    """How long and how fast.

    Attributes:
        epochs: passes over the training examples.
        batch_size: examples in a step.
        learning_rate: Adam's at first; it falls to nothing in a straight line.
    """

    epochs: int = Field(ge=1)
    batch_size: int = Field(ge=1)
    learning_rate: float = Field(gt=0)


class ConvMember(_Settings):
    """A convolutional network over word ids, see `training.common.texts.text_layers.ConvPool`."""

    dim: int
    filters: dict[int, int] = Field(description="How many filters of each width.")
    word_drop: float
    drop: float


class SentimentPlan(_Settings):
    """A linear n-gram model and convolutional networks, trained side by side and weighed on validation reviews."""

    task: Literal["sentiment"] = "sentiment"
    members: tuple[ConvMember, ...]
    start: float = Field(description="First weight of every n-gram, times its log-count ratio.")
    gram_drop: float = Field(description="Share of the n-grams left out in training.")
    least_count: int = Field(description="N-grams in fewer training reviews start at nothing and stay there.")
    validation: float = Field(gt=0, lt=1, description="Share of the training reviews kept for weighing.")


class FeedForward(_Settings):
    """Linear in the n-grams, with a narrow hidden layer beside it, whose table may have fewer buckets."""

    kind: Literal["feed-forward"] = "feed-forward"
    dim: int
    deep_buckets: int
    hidden: int
    drop: float
    gram_drop: float


class Convolutional(_Settings):
    kind: Literal["convolutional"] = "convolutional"
    dim: int
    filters: dict[int, int]
    hidden: int
    drop: float


class Recurrent(_Settings):
    kind: Literal["recurrent"] = "recurrent"
    dim: int
    units: int
    drop: float


class Settling(_Settings):
    """The last epochs of a language network, in which it sees what it will be asked: words of the lists alone.

    Attributes:
        epochs: how many of the schedule's; the learning rate falls to nothing before them and once more in them.
        learning_rate: Adam's at first.
        shared: weight of a word in several lists.
        common: how many times an epoch shows each of the commonest words; these must be known by heart.
    """

    epochs: int = Field(ge=1)
    learning_rate: float = Field(gt=0)
    shared: float
    common: int = Field(ge=1)


class LanguagePlan(_Settings):
    """A network over characters, from word lists and sentences.

    Attributes:
        without_accents: share of the training texts that lose their accents.
        weight_decay: of AdamW.
        shared: weight of a word that is in several lists, whose label is then a share of its counts.
        sentences: how many are made up in each epoch from words drawn by frequency.
        sentence_words: how many words of a training sentence are read; the whole of it unless given.
        more: how many words of the longer lists are drawn in each epoch, if there are such lists.
        settling: how the last epochs differ.
    """

    task: Literal["language"] = "language"
    net: Annotated[FeedForward | Convolutional | Recurrent, Field(discriminator="kind")]
    without_accents: float
    shared: float
    weight_decay: float
    sentences: int
    sentence_words: int | None = None
    more: int = 0
    settling: Settling | None = None


class SpamPlan(_Settings):
    """Linear models, one a fold, each trained without its fold; served together."""

    task: Literal["spam"] = "spam"
    folds: int
    weight_decay: float
    spam_weight: float = Field(description="How much more a spam counts than a ham.")


class DecoderNet(_Settings):
    """A transformer decoder, see `training.common.captions.decoder`; `drop...` are dropout rates."""

    layers: int
    dim: int
    heads: int
    hidden: int
    drop: float
    drop_grid: float
    drop_attention: float


class EncoderPlan(_Settings):
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


class CaptionPlan(_Settings):
    """A captioner, trained for CIDEr-D from where an encoder's run has ended.

    Attributes:
        encoder: the experiment that it goes on from.
        views: of each photo.
        photos: how many, drawn anew, make an epoch; all of them if they are fewer.
        samples: sentences drawn for a photo in a step.
        temperature: of the drawing. A decoder that has learnt smoothed labels gives each of thousands of wrong words a
            little; drawn as they are, most sentences would have one.
        drop: the decoder's dropout, less than before: the sentences were drawn without any.
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


class TagPlan(_Settings):
    """Two towers, for pooled features of photos and for label vectors, learnt from words of captions.

    Attributes:
        encoder, text: names of the artefacts that it stands on; looked for beside the new one, then in models/.
        template: what is said of a label to the text encoder.
        views: of each photo, see `training.common.photos.augment`.
        words, phrases: least photos of a word, and of two words side by side, to be learnt.
        components, whiten, gain: of the features, see `training.tagger.tag_nets.fit_front`.
        size, class_size: numbers of an embedding for what captions say, and for classes.
        penalty: of the linear map that training starts from, see `training.tagger.reduced_rank_ridge`.
        reach, doubt: of the label tower, see `training.tagger.tag_nets.LabelFit`.
    """

    task: Literal["tag"] = "tag"
    encoder: str
    text: str
    template: str
    views: int = Field(ge=1)
    words: int
    phrases: int
    components: int
    whiten: float
    gain: float
    size: int
    class_size: int
    penalty: float
    drop: float
    reach: float
    doubt: float
    weight_decay: float


class Experiment(_Settings):
    """One artefact: what it is called, what it learns from, how.

    Attributes:
        name, version, summary: as the manifest has them.
        seed: of everything random.
        features: how texts become numbers; goes into the artefact. None for photos.
    """

    name: str
    version: str
    summary: str
    seed: int
    features: TextSpec | None = None
    schedule: Schedule
    plan: Annotated[
        SentimentPlan | LanguagePlan | SpamPlan | EncoderPlan | CaptionPlan | TagPlan, Field(discriminator="task")
    ]

    @property
    def text(self) -> TextSpec:
        """The features of an experiment on texts."""
        assert self.features is not None
        return self.features


def experiment_names() -> list[str]:
    """Every file in the folders training/*/experiments."""
    return sorted(path.stem for path in _files() if path.stem != "__init__")


def _files() -> list[Path]:
    return list(Path(__file__).parents[1].glob("*/experiments/*.py"))


def load_experiment(name: str) -> Experiment:
    """The experiment of a file in a folder training/*/experiments.

    Raises:
        ValueError: there is none of that name.
    """
    if name not in experiment_names():
        raise ValueError(f"there is no experiment {name!r}; there is {', '.join(experiment_names())}")
    [task] = [path.parent.parent.name for path in _files() if path.stem == name]
    experiment = import_module(f"training.{task}.experiments.{name}").EXPERIMENT
    assert isinstance(experiment, Experiment)
    return experiment


def keep_experiment(experiment: Experiment, work: Path) -> None:
    """Write down in a work folder what the run in it is a run of.

    Raises:
        ValueError: it is a run of something else; what is in it would come out under settings it never saw.
    """
    path = work / KEPT
    if path.exists() and path.read_text(encoding="utf-8") != _written(experiment):
        raise ValueError(f"{work} is the work folder of other settings, see {path}; use another one, or delete it")
    work.mkdir(parents=True, exist_ok=True)
    path.write_text(_written(experiment), encoding="utf-8")


def _written(experiment: Experiment) -> str:
    return experiment.model_dump_json(indent=1) + "\n"


def kept_experiment(work: Path, name: str) -> Experiment:
    """What the run in a work folder is a run of; the experiment of that name where nothing is written down."""
    path = work / KEPT
    return Experiment.model_validate_json(path.read_bytes()) if path.exists() else load_experiment(name)
