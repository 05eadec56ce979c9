"""Labels anew for a whole library, from its photos' embeddings: another vocabulary, threshold or list of labels of
one's own, without reading a photo."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from core.errors import TaglineError
from core.heads.ranking import DIGITS
from core.states import RunState
from core.tasks import TagOptions, read_options
from db.labels import number_labels
from db.library_ends import end_run
from db.library_relabel import (
    Embedded,
    Relabelled,
    RelabelPlan,
    due_slice,
    end_relabel,
    relabel_plan,
    store_relabelled,
)
from db.library_runs import hold, run_numbered
from db.output_code import encode_numbers
from db.photo_labels import shown_caption
from worker.chunk.context import WorkerContext
from worker.libraries.label_names import LabelNames
from worker.libraries.stage_lease import StageLease
from worker.models.tagger import Tagger

log = logging.getLogger(__name__)

SLICE = 2_000
BLOCK = 256  # photos scored at a time: 20,000 labels of each take 20 MB
Floats = NDArray[np.float32]


def relabel(context: WorkerContext, lease: StageLease) -> None:
    """Label all photos of a run that are due; one without an embedding is left for a run that reads it."""
    database = context.database
    with database.write() as session:
        hold(session, lease.claim)
        plan = relabel_plan(session, lease.claim)
    try:
        anew = _Labels(context, plan)
    except TaglineError as error:
        with database.write() as session:
            hold(session, lease.claim)
            run = run_numbered(session, lease.claim.number)
            assert run is not None
            end_run(session, run, RunState.FAILED, code=error.code, message=error.message)
        return
    while True:
        lease.check()
        with database.read() as session:
            photos, left = due_slice(session, lease.claim, anew.plan, SLICE)
        if not photos and not left:
            break
        done = anew.label(photos)
        with database.write() as session:
            store_relabelled(session, lease.claim, anew.plan, done, left)
    with database.write() as session:
        end_relabel(session, lease.claim)


class _Labels:
    """A tagger with the vocabulary that is asked for, its labels by number.

    Raises:
        TaglineError: the run is without `tag`, its tagger cannot be loaded or keeps no embeddings, or the labels cannot
            be read.
    """

    def __init__(self, context: WorkerContext, plan: RelabelPlan | None) -> None:
        if plan is None:
            raise TaglineError("relabel_needs_tag", "Only a library with tag among its tasks can be relabelled.")
        self.plan = plan
        tagger = context.models.get("tag", plan.model).model
        if not isinstance(tagger, Tagger):
            raise TaglineError("relabel_unsupported", f"{plan.model} keeps no embeddings.")
        options = read_options("tag", plan.options)
        assert isinstance(options, TagOptions)
        self._tagger, self._options = tagger, options
        self._vocabulary = tagger.vocabulary(options.vocabulary)
        with context.database.write() as session:
            numbers = number_labels(session, [(label, "") for label in self._vocabulary.labels])
        self._numbers = [numbers[label, ""] for label in self._vocabulary.labels]
        self._names = LabelNames(context.database)
        self._names.learn(self._numbers)

    def label(self, photos: Sequence[Embedded]) -> list[Relabelled]:
        """New labels for some photos."""
        self._names.learn(number for one in photos for number in (*one.told.added, *one.told.removed))
        self._names.learn(number for one in photos for output in one.outputs.values() for number in output.numbers)
        done: list[Relabelled] = []
        for at in range(0, len(photos), BLOCK):
            block = photos[at : at + BLOCK]
            embeddings = np.frombuffer(b"".join(one.embedding for one in block), "<f2").reshape(len(block), -1)
            scores = self._tagger.score(embeddings, self._vocabulary)
            done += [self._relabelled(one, row) for one, row in zip(block, scores, strict=True)]
        return done

    def _relabelled(self, photo: Embedded, scores: Floats) -> Relabelled:
        best = best_labels(scores, self._options.top_k, self._options.threshold)
        numbers = [self._numbers[at] for at, _ in best]
        sizes = [(one.width, one.height) for one in photo.outputs.values()]
        body = encode_numbers(numbers, [score for _, score in best], {}, *max(sizes, default=(0, 0)))
        others = [number for task, one in photo.outputs.items() if task != "tag" for number in one.numbers]
        before = [number for one in photo.outputs.values() for number in one.numbers]
        caption = shown_caption(photo.outputs.values(), photo.told.caption)
        diff = self._names.diff(photo.told, before, [*numbers, *others])
        return Relabelled(photo, body, diff, caption.text if caption else None)


def best_labels(scores: Floats, top_k: int, threshold: float) -> list[tuple[int, float]]:
    """As `core.heads.ranking.rank`, and much faster where there are many labels: only those that may be among the best
    are sorted."""
    candidates = np.flatnonzero(scores >= np.partition(scores, -top_k)[-top_k]) if top_k < len(scores) else None
    at = np.arange(len(scores)) if candidates is None else candidates
    ordered = at[np.argsort(-scores[at], kind="stable")][:top_k]
    return [(int(one), round(float(scores[one]), DIGITS)) for one in ordered if scores[one] >= threshold]
