"""What an experiment says about training a network that tells languages apart."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field

from training.common.experiment import Plan, Settings

# The characters that networks over characters know one by one.
ALPHABET = "abcdefghijklmnopqrstuvwxyzàâäáãåçèéêëìíîïñòóôöùúûüÿœæß '-.0123456789"


class FeedForward(Settings):
    """Linear in the n-grams, with a narrow hidden layer beside it, whose table may have fewer buckets."""

    kind: Literal["feed-forward"] = "feed-forward"
    dim: int
    deep_buckets: int
    hidden: int
    drop: float
    gram_drop: float

    def shrunk(self) -> Self:
        """A small table."""
        return self.model_copy(update={"deep_buckets": 1 << 10})


class Grams(Settings):
    """What a network over characters sees of each beside itself: the n-grams around it, by hash, in a small table.

    Attributes:
        orders: how many characters they have.
        buckets: rows of the table, a power of two.
        dim: its columns.
        drop: share of the n-grams left out in training.
    """

    orders: tuple[int, ...]
    buckets: int
    dim: int
    drop: float

    def shrunk(self) -> Self:
        """A small table."""
        return self.model_copy(update={"buckets": 1 << 8, "dim": 4})


class Convolutional(Settings):
    """Convolutions of several widths over characters; `filters` says how many of each width."""

    kind: Literal["convolutional"] = "convolutional"
    dim: int
    grams: Grams
    filters: dict[int, int]
    hidden: int
    drop: float

    def shrunk(self) -> Self:
        """Two narrow convolutions."""
        return self.model_copy(update={"dim": 8, "grams": self.grams.shrunk(), "filters": {2: 8, 3: 8}, "hidden": 8})


class Recurrent(Settings):
    """A recurrent network over the characters of each word, `state_drop` the share of its state that it loses."""

    kind: Literal["recurrent"] = "recurrent"
    dim: int
    grams: Grams
    units: int
    state_drop: float
    hidden: int
    drop: float

    def shrunk(self) -> Self:
        """Few units."""
        return self.model_copy(update={"dim": 8, "grams": self.grams.shrunk(), "units": 8, "hidden": 8})


class LastEpochs(Settings):
    """How the last epochs differ: a network sees what it will be asked, words of the lists alone.

    Attributes:
        epochs: how many of the schedule's; the learning rate falls to 0 before them and once more in them.
        learning_rate: Adam's at their first step.
        shared: weight of a word in several lists.
        common: how many times an epoch shows each of the commonest words; these must be known by heart.
    """

    epochs: int = Field(ge=1)
    learning_rate: float = Field(gt=0)
    shared: float
    common: int = Field(ge=1)


class LanguagePlan(Plan):
    """A network over characters, from word lists and sentences.

    Attributes:
        net: which network.
        without_accents: share of the training texts that lose their accents.
        shared: weight of a word that is in several lists, whose label is then a share of its counts.
        weight_decay: of AdamW.
        sentences: how many are made up in each epoch from words drawn by frequency.
        sentence_words: how many words of a training sentence are read; the whole of it unless given.
        more_words: how many words of the longer lists are drawn in each epoch, if there are such lists.
        last_epochs: how the last epochs differ; not at all unless given.
    """

    task: Literal["language"] = "language"
    net: Annotated[FeedForward | Convolutional | Recurrent, Field(discriminator="kind")]
    without_accents: float
    shared: float
    weight_decay: float
    sentences: int
    sentence_words: int | None = None
    more_words: int = 0
    last_epochs: LastEpochs | None = None

    def shrunk(self) -> Self:
        """A small network, few made-up sentences."""
        return self.model_copy(update={"sentences": 90, "net": self.net.shrunk()})
