"""Which of the labels that came and went with a run are worth showing: those that were sure, best first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from sqlalchemy.orm import Session

from db.ledger import labelled_recipes, read_entries
from db.library_tables import LibraryChange
from db.output_code import decode

FORGOTTEN = 1.0  # what a label counts as whose score the ledger has no more
Outputs = tuple[bytes, int]  # SHA-256 and spec
Scores = Mapping[int, float]  # by the label's number


class SureLabels:
    """Scores of the labels that some changes are about, before and after.

    Args:
        least: a label is sure from this score on. Of those that came, or went, at least the best one is shown; and all
            where the ledger has forgotten what they scored.
    """

    def __init__(self, session: Session, changes: Iterable[LibraryChange], least: float) -> None:
        self._least = least
        pairs = {pair for change in changes for pair in (_before(change), _after(change))}
        self._scores = _scores(session, {pair for pair in pairs if pair is not None})

    def came(self, change: LibraryChange, numbers: Sequence[int]) -> Sequence[int]:
        """Those of the labels that came which are to be shown."""
        return self._sure(_after(change), numbers)

    def went(self, change: LibraryChange, numbers: Sequence[int]) -> Sequence[int]:
        """Those of the labels that went which are to be shown."""
        return self._sure(_before(change), numbers)

    def _sure(self, outputs: Outputs | None, numbers: Sequence[int]) -> Sequence[int]:
        scores = self._scores.get(outputs) if outputs else None
        if not scores:
            return numbers
        best_first = sorted(numbers, key=lambda number: -scores.get(number, FORGOTTEN))
        return [number for number in best_first if scores.get(number, FORGOTTEN) >= self._least] or best_first[:1]


def _before(change: LibraryChange) -> Outputs | None:
    return _outputs(change.before_sha256, change.before_spec)


def _after(change: LibraryChange) -> Outputs | None:
    return _outputs(change.after_sha256, change.after_spec)


def _outputs(sha256: bytes | None, spec: int | None) -> Outputs | None:
    return None if sha256 is None or spec is None else (bytes(sha256), spec)


def _scores(session: Session, wanted: set[Outputs]) -> dict[Outputs, dict[int, float]]:
    labelled = labelled_recipes(session, {spec for _, spec in wanted})
    bodies = read_entries(session, {(sha256, recipe) for sha256, spec in wanted for recipe in labelled.get(spec, ())})
    found: dict[Outputs, dict[int, float]] = {}
    for sha256, spec in wanted:
        for recipe in labelled.get(spec, ()):
            if (sha256, recipe) in bodies:
                output = decode(bodies[sha256, recipe])
                scores = found.setdefault((sha256, spec), {})
                for number, score in zip(output.numbers, output.scores, strict=True):
                    scores[number] = max(score, scores.get(number, 0.0))  # as it is shown where two tasks give it
    return found
