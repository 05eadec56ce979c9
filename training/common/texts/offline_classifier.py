"""Run a text artefact offline, exactly as it is shipped: the same preprocessing function, the same graph."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core.artefacts.manifest import load_manifest, read_labels
from core.texts.prepare import TextSpec, pad_batch, padded_length, prepare_text
from training.common.datasets.labelled_texts import Example
from training.common.offline_variants import PLAIN, Variants, artefact_parts

AT_ONCE = 64


class OfflineTextClassifier:
    """A text classifier's artefact with its graph loaded.

    Attributes:
        labels: in the order of the probabilities.
    """

    def __init__(self, folder: Path, *outputs: str, variants: Variants = PLAIN) -> None:
        """`outputs`: of the graph; "probabilities" unless given. `variants` says in what precision it runs."""
        self.manifest = load_manifest(folder)
        assert isinstance(self.manifest.preprocessing, TextSpec)
        self._spec = self.manifest.preprocessing
        self._parts, self._outputs = artefact_parts(folder, self.manifest, variants), outputs or ("probabilities",)
        self.labels = [label.name for label in read_labels(folder, self.manifest)]

    def outputs(self, texts: Sequence[str]) -> list[NDArray[np.float32]]:
        """Each output for texts, [N, ...] in their order.

        Raises:
            ItemError: one of them is empty, or has no letter where the features need one.
        """
        items = [prepare_text(text, self._spec).ids for text in texts]
        order = sorted(range(len(items)), key=lambda at: len(items[at]))
        found: list[list[NDArray[np.float32]]] = []
        for at in range(0, len(order), AT_ONCE):
            chosen = [items[index] for index in order[at : at + AT_ONCE]]
            ids = pad_batch(chosen, padded_length(len(chosen[-1])))
            found.append(list(self._parts({"ids": ids}, self._outputs).values()))
        back = np.argsort(order)
        return [np.concatenate(parts)[back] for parts in zip(*found, strict=True)]

    def probabilities(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Probability of each label for each text, float32 [N, labels]; needs "probabilities" as the first output."""
        return self.outputs(texts)[0]


def first_is_right(
    probabilities: NDArray[np.float32], examples: Sequence[Example], labels: Sequence[str]
) -> NDArray[np.bool_]:
    """Whether the likeliest label of each example is its own, bool [N]; `labels` are those of the columns."""
    wanted = np.array([labels.index(example.label) for example in examples])
    right: NDArray[np.bool_] = probabilities.argmax(axis=1) == wanted
    return right
