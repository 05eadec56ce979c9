"""Labels by number as they are compared, remembered for a whole run: folding two million names again would take longer
than all the rest."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from db.engine import Database
from db.labels import fold, labels_of
from db.photo_labels import LabelDiff
from db.photo_outputs import Told


class LabelNames:
    """What is known of labels' numbers; see `db.photo_labels` for what stands at a photo."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._names: dict[int, str] = {}

    def learn(self, numbers: Iterable[int]) -> None:
        """Read those that are not known yet."""
        new = {number for number in numbers if number not in self._names}
        if new:
            with self._database.read() as session:
                self._names |= {number: fold(entry[0]) for number, entry in labels_of(session, new).items()}

    def diff(self, told: Told, before: Sequence[int], after: Sequence[int]) -> LabelDiff:
        """What labels of models, best first, change where people said something; all numbers were learnt."""
        names = self._names
        gone = {names[number] for number in told.removed}
        old: dict[str, int] = {}
        new: dict[str, int] = {}
        for shown, numbers in ((old, before), (new, after)):
            for number in (*told.added, *numbers):
                name = names[number]
                if name not in gone:
                    shown.setdefault(name, number)
        return LabelDiff(
            tuple(number for name, number in new.items() if name not in old),
            tuple(number for name, number in old.items() if name not in new),
            tuple(number for name, number in new.items() if name in old),
        )
