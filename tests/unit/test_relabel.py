"""Labels for many photos at a time are those that each would get alone, and so are their differences."""

from __future__ import annotations

import numpy as np
import pytest

from core.artefacts.vocabularies import chances
from core.heads.ranking import rank
from db.output_code import pack_numbers, unpack_numbers
from worker.libraries.label_names import NONE, LabelNames, number_rows
from worker.libraries.new_labels import best_labels


@pytest.mark.parametrize(("labels", "top_k"), [(50, 7), (5, 5), (3, 20), (1, 1)])
def test_the_best_of_many_are_the_best_of_each(labels: int, top_k: int) -> None:
    logits = np.random.default_rng(labels).normal(size=(40, labels)).round(1).astype(np.float32)  # with equal ones
    places, scores = best_labels(logits, top_k)
    for at, row in enumerate(logits):
        alone = rank(chances(row), top_k)
        assert [round(float(score), 6) for score in scores[at]] == [score for _, score in alone]
        sure = [place for place, score in alone if score > alone[-1][1]]  # of equal last ones any may stay
        assert places[at].tolist()[: len(sure)] == sure


def test_differences_are_by_what_labels_are_compared_as(monkeypatch: pytest.MonkeyPatch) -> None:
    entries = {1: ("dog", ""), 2: ("cat", ""), 3: ("Dog", ""), 4: ("red car", ""), 5: ("Red  Car", '{"wnid": "n1"}')}
    monkeypatch.setattr(
        "worker.libraries.label_names.labels_of", lambda session, numbers: {n: entries[n] for n in numbers}
    )
    names = LabelNames(_Nothing())  # type: ignore[arg-type]
    before = number_rows([pack_numbers(row) for row in ((1, 2), (4,), ())])
    after = np.array([[3, 4, NONE], [5, 4, 2], [1, 3, NONE]])
    names.learn_all(before)
    names.learn_all(after)
    added, removed, kept = (list(map(unpack_numbers, part)) for part in names.differences(before, after))
    assert added == [(4,), (2,), (1,)]
    assert removed == [(2,), (), ()]
    assert kept == [(3,), (5,), ()]


class _Nothing:
    """A database that nobody asks."""

    def read(self) -> _Nothing:
        return self

    def __enter__(self) -> _Nothing:
        return self

    def __exit__(self, *_: object) -> None:
        pass
