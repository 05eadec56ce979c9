"""Labels by number as they are compared, remembered for a whole run: folding two million names again, or comparing
photos one by one, would take longer than all the rest."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from db.engine import Database
from db.labels import fold, labels_of
from db.photo_outputs import Told

Numbers = NDArray[np.int64]
NONE = -1  # fills rows up


class LabelNames:
    """What is known of labels' numbers; see `db.photo_labels` for what stands at a photo."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._names: dict[int, str] = {}
        self._first: dict[str, int] = {}  # of those that are compared as one, the number that stands for all
        self._same = np.zeros(1, np.int64)  # by number: the one that stands for it; 0: not known yet

    def learn(self, numbers: Iterable[int]) -> None:
        """Read those that are not known yet."""
        new = {int(number) for number in numbers} - self._names.keys()
        if not new:
            return
        with self._database.read() as session:
            found = labels_of(session, new)
        if max(new) >= len(self._same):
            self._same = np.concatenate([self._same, np.zeros(max(new) + 1 - len(self._same), np.int64)])
        for number, entry in sorted(found.items()):
            name = self._names[number] = fold(entry[0])
            self._same[number] = self._first.setdefault(name, number)

    def learn_all(self, numbers: Numbers) -> None:
        """As `learn`, for a matrix."""
        there = numbers[numbers >= 0]
        within = there < len(self._same)
        unknown = np.concatenate([there[~within], there[within][self._same[there[within]] == 0]])
        self.learn(np.unique(unknown).tolist())

    def differences(self, before: Numbers, after: Numbers) -> tuple[list[bytes], list[bytes], list[bytes]]:
        """What labels of models change at photos of which people said nothing: those added, removed and kept.

        Args:
            before, after: numbers that were learnt, a row a photo, best first, filled up with `NONE`.
        """
        old, new = self._compared(before), self._compared(after)
        was = (new[:, :, None] == old[:, None, :]).any(axis=2)
        stays = (old[:, :, None] == new[:, None, :]).any(axis=2)
        there, stood = _first_of_its_kind(new), _first_of_its_kind(old)
        return packed_rows(after, there & ~was), packed_rows(before, stood & ~stays), packed_rows(after, there & was)

    def _compared(self, numbers: Numbers) -> Numbers:
        return np.where(numbers >= 0, self._same[np.maximum(numbers, 0)], NONE)

    def difference(
        self, told: Told, before: Sequence[int], after: Sequence[int]
    ) -> tuple[list[int], list[int], list[int]]:
        """As `differences`, for a photo of which people said something."""
        names = self._names
        gone = {names[number] for number in told.removed}
        old: dict[str, int] = {}
        new: dict[str, int] = {}
        for shown, numbers in ((old, before), (new, after)):
            for number in (*told.added, *numbers):
                name = names[number]
                if name not in gone:
                    shown.setdefault(name, number)
        return (
            [number for name, number in new.items() if name not in old],
            [number for name, number in old.items() if name not in new],
            [number for name, number in new.items() if name in old],
        )


def _first_of_its_kind(compared: Numbers) -> NDArray[np.bool_]:
    """Where a number stands that no earlier one of its row is compared as."""
    width = compared.shape[1]
    earlier = np.tril(np.ones((width, width), bool), -1)
    again = ((compared[:, :, None] == compared[:, None, :]) & earlier).any(axis=2)
    first: NDArray[np.bool_] = (compared >= 0) & ~again
    return first


def packed_rows(numbers: Numbers, chosen: NDArray[np.bool_]) -> list[bytes]:
    """The chosen numbers of each row as `db.output_code.pack_numbers` writes them."""
    flat = numbers[chosen].astype(">u4").tobytes()
    ends = (np.cumsum(chosen.sum(axis=1)) * 4).tolist()
    return [flat[start:end] for start, end in zip([0, *ends], ends, strict=False)]


def number_rows(packed: Sequence[bytes]) -> Numbers:
    """Packed numbers as a matrix, rows filled up with `NONE`."""
    lengths = np.array([len(one) // 4 for one in packed], np.int64)
    width = int(lengths.max(initial=1)) or 1
    rows = np.full((len(packed), width), NONE, np.int64)
    rows[np.arange(width) < lengths[:, None]] = np.frombuffer(b"".join(packed), ">u4")
    return rows
