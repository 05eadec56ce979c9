"""The labels and the caption that stand at a photo: what the models said, and what people said of it, who win."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from db.labels import fold
from db.output_code import Decoded, Entry


@dataclass(frozen=True, slots=True)
class ShownLabel:
    """A label of a photo; without a score it is a person's."""

    number: int
    label: str
    score: float | None


@dataclass(frozen=True, slots=True)
class ShownCaption:
    """A caption of a photo; without a score it is a person's."""

    text: str
    score: float | None


@dataclass(frozen=True, slots=True)
class LabelDiff:
    """What a run did to the labels of a photo, as numbers."""

    added: tuple[int, ...]
    removed: tuple[int, ...]
    kept: tuple[int, ...]


def shown_labels(
    outputs: Iterable[Decoded], labels: Mapping[int, Entry], added: Sequence[int] = (), removed: Collection[int] = ()
) -> list[ShownLabel]:
    """The labels of a photo, a person's first of all, then the models', best first.

    Args:
        outputs: of the tasks that give labels.
        labels: by their numbers, all that occur.
        added, removed: by people.
    """
    people = {fold(labels[number][0]): ShownLabel(number, labels[number][0], None) for number in added}
    gone = {fold(labels[number][0]) for number in removed}
    models: dict[str, ShownLabel] = {}
    for output in outputs:
        for number, score in zip(output.numbers, output.scores, strict=True):
            text = labels[number][0]
            name = fold(text)
            better = models.get(name)
            if name not in people and name not in gone and (better is None or (better.score or 0.0) < score):
                models[name] = ShownLabel(number, text, score)
    return [*people.values(), *sorted(models.values(), key=lambda shown: -(shown.score or 0.0))]


def shown_caption(outputs: Iterable[Decoded], caption: str | None) -> ShownCaption | None:
    """A person's caption, or else the model's; none, if a person wants none ("")."""
    if caption is not None:
        return ShownCaption(caption, None) if caption else None
    for output in outputs:
        text = output.rest.get("text")
        if isinstance(text, str):
            return ShownCaption(text, float(output.rest.get("score", 0.0)))
    return None


def label_diff(before: Iterable[ShownLabel], after: Iterable[ShownLabel]) -> LabelDiff:
    """What is in one list of labels and not in the other."""
    old = {fold(shown.label): shown.number for shown in before}
    new = {fold(shown.label): shown.number for shown in after}
    return LabelDiff(
        tuple(number for name, number in new.items() if name not in old),
        tuple(number for name, number in old.items() if name not in new),
        tuple(number for name, number in new.items() if name in old),
    )


def label_views(shown: Iterable[ShownLabel]) -> list[dict[str, Any]]:
    """Labels as clients see them."""
    return [{"label": one.label, "score": one.score, "by": "person" if one.score is None else "model"} for one in shown]


def caption_view(shown: ShownCaption | None) -> dict[str, Any] | None:
    """A caption as clients see it."""
    if shown is None:
        return None
    return {"text": shown.text, "score": shown.score, "by": "person" if shown.score is None else "model"}
