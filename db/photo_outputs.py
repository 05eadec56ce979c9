"""What the ledger holds for photos, read for many at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from sqlalchemy.orm import Session

from db.labels import labels_of
from db.ledger import read_entries, recipes_of
from db.output_code import Decoded, Entry, decode, unpack_numbers
from db.photo_labels import ShownCaption, ShownLabel, shown_caption, shown_labels

Made = tuple[bytes, int]  # SHA-256 of the bytes that outputs are of, and the spec they were made with


@dataclass(frozen=True, slots=True)
class Told:
    """What people said of a photo: labels as numbers, and a caption."""

    added: tuple[int, ...] = ()
    removed: tuple[int, ...] = ()
    caption: str | None = None


@dataclass(slots=True)
class OutputReader:
    """The outputs of a few hundred photos, and their labels."""

    outputs: dict[Made, tuple[Decoded, ...]] = field(default_factory=dict)
    labels: dict[int, Entry] = field(default_factory=dict)

    def shown(self, made: Made | None, told: Told) -> list[ShownLabel]:
        """The labels that stand at a photo."""
        return shown_labels(self.outputs.get(made, ()) if made else (), self.labels, told.added, told.removed)

    def caption(self, made: Made | None, told: Told) -> ShownCaption | None:
        """The caption that stands at a photo."""
        return shown_caption(self.outputs.get(made, ()) if made else (), told.caption)


def told_of(added: bytes | None, removed: bytes | None, caption: str | None) -> Told:
    """What people said, from the columns of a photo."""
    return Told(unpack_numbers(added), unpack_numbers(removed), caption)


def read_outputs(session: Session, made: Iterable[Made], told: Iterable[Told] = ()) -> OutputReader:
    """Read the outputs of photos, and the labels in them and in what people said."""
    wanted = set(made)
    recipes = recipes_of(session, {spec for _, spec in wanted})
    bodies = read_entries(session, [(sha256, recipe) for sha256, spec in wanted for recipe in recipes.get(spec, ())])
    outputs = decoded_outputs(wanted, recipes, bodies)
    numbers = {number for some in outputs.values() for one in some for number in one.numbers}
    numbers.update(number for one in told for number in (*one.added, *one.removed))
    return OutputReader(outputs, labels_of(session, numbers))


def decoded_outputs(
    made: Iterable[Made], recipes: Mapping[int, tuple[int, ...]], bodies: Mapping[tuple[bytes, int], bytes]
) -> dict[Made, tuple[Decoded, ...]]:
    """The outputs that there are of each photo."""
    return {
        (sha256, spec): tuple(
            decode(bodies[sha256, recipe]) for recipe in recipes.get(spec, ()) if (sha256, recipe) in bodies
        )
        for sha256, spec in made
    }
