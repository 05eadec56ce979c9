"""Labels that are true of ImageNet's classes: their names, and their hypernyms in WordNet ("dog" of every breed)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.common.labels.class_names import read_classes_above
from training.tagger.held_out_words import HeldOutFilter


@dataclass(frozen=True, slots=True)
class ClassLabels:
    """The encoder's classes and the labels that are true of them.

    Attributes:
        names: of the classes, in order.
        labels: distinct labels.
        members: 1 where a label is true of a class, float32 [classes, labels].
        allowed: whether training may know a class by its name, bool [classes].
    """

    names: tuple[str, ...]
    labels: tuple[str, ...]
    members: NDArray[np.float32]
    allowed: NDArray[np.bool_]


def read_class_labels(held_out: HeldOutFilter | None = None) -> ClassLabels:
    """The labels of ImageNet's classes.

    Args:
        held_out: only labels that it allows.
    """
    rows = [(name, [name, *above]) for name, above in read_classes_above()]
    labels = sorted({label for _, true in rows for label in true if held_out is None or held_out.allows(label)})
    columns = {label: at for at, label in enumerate(labels)}
    members = np.zeros((len(rows), len(labels)), np.float32)
    for at, (_, true) in enumerate(rows):
        members[at, [columns[label] for label in true if label in columns]] = 1
    names = tuple(name for name, _ in rows)
    return ClassLabels(names, tuple(labels), members, np.array([name in columns for name in names]))
