"""New labels for thousands of photos at a time, from their embeddings alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from core.artefacts.vocabularies import chances
from core.errors import TaglineError
from core.heads.ranking import DIGITS
from core.tasks import TagOptions, read_options
from db.labels import number_labels
from db.library_relabel import EmbeddedPhotos, NewLabels, RelabelPlan
from db.output_code import HEAD, VERSION, numbers_in, pack_numbers, unpack_numbers
from db.photo_outputs import Told
from worker.chunk.context import WorkerContext
from worker.libraries.label_names import NONE, LabelNames, Numbers, number_rows, packed_rows
from worker.models.tagger import Tagger

BLOCK = 512  # photos scored at a time: 20,000 labels of each take 40 MB
Floats = NDArray[np.float32]


class Labeller:
    """A tagger with the vocabulary that a run asks for, its labels by number.

    Raises:
        TaglineError: the run's tagger cannot be loaded or keeps no embeddings, or the labels cannot be read.
    """

    def __init__(self, context: WorkerContext, plan: RelabelPlan) -> None:
        tagger = context.models.get("tag", plan.model).model
        if not isinstance(tagger, Tagger):
            raise TaglineError("relabel_unsupported", f"{plan.model} keeps no embeddings.")
        options = read_options("tag", plan.options)
        assert isinstance(options, TagOptions)
        self._options = options
        self._vocabulary = tagger.vocabulary(options.vocabulary)
        with context.database.write() as session:
            numbers = number_labels(session, [(label, "") for label in self._vocabulary.labels])
        self._numbers = np.array([numbers[label, ""] for label in self._vocabulary.labels], np.int64)
        self._names = LabelNames(context.database)
        self._names.learn_all(self._numbers)

    def label(self, photos: EmbeddedPhotos) -> NewLabels:
        """The new outputs of photos, and what they change."""
        embeddings = np.frombuffer(b"".join(photos.embeddings), "<f2").reshape(len(photos.embeddings), -1)
        found = [self._best(embeddings[at : at + BLOCK]) for at in range(0, len(embeddings), BLOCK)]
        places, scores = (np.concatenate(part) for part in zip(*found, strict=True))
        chosen = scores >= self._options.threshold
        after = np.where(chosen, self._numbers[places], NONE)
        before = number_rows([numbers_in(body) if body else b"" for body in photos.tags])
        self._names.learn_all(before)
        added, removed, kept = self._names.differences(before, after)
        new = NewLabels(_bodies(photos.sizes, after, scores, chosen), added, removed, kept)
        for at in {*photos.told, *(at for at, body in enumerate(photos.others) if body)}:
            self._with_people(photos, new, at, before[at], after[at])
        return new

    def _best(self, embeddings: NDArray[np.float16]) -> tuple[Numbers, Floats]:
        """Places and scores of the best labels of some photos, best first; of equal scores the earlier label."""
        logits = self._vocabulary.logits(embeddings.astype(np.float32))
        return best_labels(logits, self._options.top_k)

    def _with_people(self, photos: EmbeddedPhotos, new: NewLabels, at: int, before: Numbers, after: Numbers) -> None:
        """The change of a photo of which people said something, or that has labels of another task, too."""
        told, body = photos.told.get(at), photos.others[at]
        others = unpack_numbers(numbers_in(body)) if body else ()
        self._names.learn([*others, *(told.added if told else ()), *(told.removed if told else ())])
        old, fresh = ([int(one) for one in row if one != NONE] for row in (before, after))
        changed = self._names.difference(told or Told(), [*old, *others], [*fresh, *others])
        new.added[at], new.removed[at], new.kept[at] = map(pack_numbers, changed)


def best_labels(logits: Floats, top_k: int) -> tuple[Numbers, Floats]:
    """As `core.heads.ranking.rank`, for many photos: places and rounded scores, [photos, top_k] or fewer. The sigmoid
    is taken of the best alone, which it leaves in their order."""
    count = min(top_k, logits.shape[1])
    if count < logits.shape[1]:
        places = np.argpartition(logits, logits.shape[1] - count, axis=1)[:, -count:]
        places.sort(axis=1)  # so that of equal scores the earlier label comes first
    else:
        places = np.broadcast_to(np.arange(count), (len(logits), count))
    best = chances(np.take_along_axis(logits, places, axis=1))
    order = np.argsort(-best, axis=1, kind="stable")
    rounded = np.round(np.take_along_axis(best, order, axis=1).astype(np.float64), DIGITS)
    return np.take_along_axis(places, order, axis=1), rounded.astype(np.float32)


def _bodies(
    sizes: Sequence[tuple[int, int]], numbers: Numbers, scores: Floats, chosen: NDArray[np.bool_]
) -> list[bytes]:
    """The outputs as the ledger has them; see `db.output_code`."""
    names = packed_rows(numbers, chosen)
    values = packed_floats(scores, chosen)
    return [
        HEAD.pack(VERSION, width, height, len(name) // 4) + name + value
        for (width, height), name, value in zip(sizes, names, values, strict=True)
    ]


def packed_floats(scores: Floats, chosen: NDArray[np.bool_]) -> list[bytes]:
    """The chosen scores of each row, four bytes each."""
    flat = scores[chosen].astype(">f4").tobytes()
    ends = (np.cumsum(chosen.sum(axis=1)) * 4).tolist()
    return [flat[start:end] for start, end in zip([0, *ends], ends, strict=False)]
