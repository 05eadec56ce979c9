"""Bringing three versions together: what we last wrote, what we would write now, and what stands there meanwhile.

People win: what stands there and is not ours stays, and what was ours and is gone does not come back.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MergedLabels:
    """What is to stand there.

    Attributes:
        labels: those that stood there first, in their order and spelling, then the new ones.
        ours: of these, those that are there because we wrote them.
        added: what somebody else has added since we wrote.
        removed: what somebody else has taken away since, as we had spelt it.
    """

    labels: tuple[str, ...]
    ours: tuple[str, ...]
    added: tuple[str, ...]
    removed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class MergedText:
    """As `MergedLabels`, for a text; `changed`: somebody else has written or removed it since."""

    text: str | None
    ours: bool
    changed: bool


def merge_labels(base: Iterable[str], theirs: Iterable[str], mine: Sequence[str]) -> MergedLabels:
    """Bring labels together; two that differ in case, spaces or the coding of accents alone are the same.

    Args:
        base: what we last wrote.
        theirs: what we would write now.
        mine: what stands there.
    """
    wrote, stands = _by_key(base), _by_key(mine)
    wanted = _by_key(theirs)
    foreign = {key for key in stands if key not in wrote}
    removed = {key for key in wrote if key not in stands}
    kept = [label for label in mine if label_key(label) in foreign or label_key(label) in wanted]
    new = [label for key, label in wanted.items() if key not in stands and key not in removed]
    ours = [stands.get(key, label) for key, label in wanted.items() if key not in foreign and key not in removed]
    return MergedLabels(
        labels=(*kept, *new),
        ours=tuple(ours),
        added=tuple(label for key, label in stands.items() if key in foreign),
        removed=tuple(label for key, label in wrote.items() if key in removed),
    )


def merge_text(base: str | None, theirs: str | None, mine: str | None) -> MergedText:
    """Bring a text together; white space around it says nothing."""
    if _plain(mine) == _plain(base):
        same = mine is not None and _plain(mine) == _plain(theirs)
        return MergedText(mine if same else theirs, ours=theirs is not None, changed=False)
    return MergedText(mine, ours=False, changed=True)


def label_key(label: str) -> str:
    """What two spellings of one label have in common."""
    return " ".join(unicodedata.normalize("NFKC", label).casefold().split())


def _by_key(labels: Iterable[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for label in labels:
        found.setdefault(label_key(label), label)
    return found


def _plain(text: str | None) -> str:
    return " ".join((text or "").split())
