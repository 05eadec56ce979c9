"""Short messages, spam or ham, dealt to folds."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from core.texts.prepare import normalise
from training.common.calibration import Floats
from training.common.datasets.labelled_texts import Example, read_tagged, text_folder, without_duplicates

LABELS = ("ham", "spam")


def messages_path(data: Path) -> Path:
    """Where the messages of a data folder are."""
    return text_folder(data) / "sms_spam.tsv"


@dataclass(frozen=True, slots=True)
class SpamData:
    """Messages without duplicates, and the fold of each: int [messages]."""

    messages: tuple[Example, ...]
    folds: NDArray[np.int_]

    @property
    def spam(self) -> NDArray[np.bool_]:
        """bool [messages]."""
        return np.array([message.label == LABELS[1] for message in self.messages])


def load_spam(path: Path, folds: int) -> SpamData:
    """Read messages, drop those that are equal when normalised, and deal them to folds by a hash of their text."""
    messages = without_duplicates(read_tagged(path))
    places = [crc32(normalise(message.text).encode("utf-8", "surrogatepass")) % folds for message in messages]
    return SpamData(tuple(messages), np.array(places))


def own_fold(columns: Floats, folds: NDArray[np.int_]) -> Floats:
    """From [N, folds] the value of each row's own fold, [N]."""
    chosen: Floats = columns[np.arange(len(folds)), folds]
    return chosen
