"""Many texts that are ready for a model, as a few arrays instead of an object each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.texts.features import Ids
from core.texts.prepare import PreparedText


@dataclass(frozen=True, slots=True)
class PreparedTexts:
    """Texts in order.

    Attributes:
        ids: of one text after another, int32 [ids, ...]; what belongs to one text is what `prepare_text` gives for it.
        ends: where each text's ids end, int64 [N].
        truncated: whether something was cut off a text's end, bool [N].
    """

    ids: Ids
    ends: NDArray[np.int64]
    truncated: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.ends)

    def __getitem__(self, place: slice) -> PreparedTexts:
        """Some of the texts, neighbours all of them."""
        first, last, _ = place.indices(len(self))
        ends = self.ends[first:last]
        begin = int(self.ends[first - 1]) if first else 0
        stop = int(ends[-1]) if len(ends) else begin
        return PreparedTexts(self.ids[begin:stop], ends - begin, self.truncated[first:last])

    @property
    def lengths(self) -> NDArray[np.int64]:
        """How many ids each text has."""
        return np.diff(self.ends, prepend=0)

    def only(self, kept: NDArray[np.bool_]) -> PreparedTexts:
        """The texts that are marked."""
        if kept.all():
            return self
        lengths = self.lengths
        return PreparedTexts(self.ids[np.repeat(kept, lengths)], np.cumsum(lengths[kept]), self.truncated[kept])

    @staticmethod
    def of(texts: Sequence[PreparedText]) -> PreparedTexts:
        """Texts that were prepared one by one, at least one."""
        return PreparedTexts(
            np.concatenate([text.ids for text in texts]),
            np.cumsum([len(text.ids) for text in texts], dtype=np.int64),
            np.array([text.truncated for text in texts]),
        )

    @staticmethod
    def join(parts: Sequence[PreparedTexts]) -> PreparedTexts:
        """Texts of several parts, at least one, in their order."""
        if len(parts) == 1:
            return parts[0]
        before = np.cumsum([0, *(len(part.ids) for part in parts)])
        return PreparedTexts(
            np.concatenate([part.ids for part in parts]),
            np.concatenate([part.ends + start for part, start in zip(parts, before, strict=False)]),
            np.concatenate([part.truncated for part in parts]),
        )
