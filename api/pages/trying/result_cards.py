"""Results as cards: what a template shows of one photo or text."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from core.inputs import InputItem

BARS = 20
SURE = 0.5  # bars below are greyed


@dataclass(frozen=True, slots=True)
class Card:
    """One item of a job.

    Attributes:
        name: what it is called: the caller's id, or where it is.
        given: the input, as a job takes it.
        state: of its result; "waiting" while it has none.
        picture: where the thumbnail of the photo is, if there is one.
        text: of a text.
        outputs: by task.
        error: code, message and permanent.
    """

    seq: int
    name: str
    given: dict[str, str]
    state: str = "waiting"
    picture: str | None = None
    text: str | None = None
    outputs: dict[str, Any] = field(default_factory=dict)
    error: dict[str, Any] | None = None

    @property
    def bars(self) -> list[dict[str, Any]]:
        """The likeliest tags."""
        labels: list[dict[str, Any]] = self.outputs.get("tag", {}).get("labels", [])
        return labels[:BARS]


def hashes_of(rows: Iterable[dict[str, Any]]) -> set[str]:
    """The SHA-256 of the photos of some results, as far as they are known."""
    return {row["media"]["sha256"] for row in rows if row["media"] and "sha256" in row["media"]}


def result_card(row: dict[str, Any], pictures: Mapping[str, str]) -> Card:
    """The card of a result, given where thumbnails are."""
    sha256 = (row["media"] or {}).get("sha256")
    return Card(
        seq=row["seq"],
        name=_name(row["id"], row["seq"], row["input"]),
        given=_given(row["id"], row["seq"], row["input"]),
        state=row["state"],
        picture=pictures.get(sha256 or ""),
        text=row["input"].get("text"),
        outputs=row["outputs"] or {},
        error=row["error"],
    )


def waiting_cards(items: Iterable[InputItem], done: Collection[int]) -> list[Card]:
    """The cards of items that have no result yet."""
    return [
        Card(
            item.seq, _name(item.id, item.seq, item.public()), _given(item.id, item.seq, item.public()),
            text=item.ref if item.kind == "text" else None,
        )
        for item in items
        if item.seq not in done
    ]  # fmt: skip


def _given(item_id: str, seq: int, given: dict[str, Any]) -> dict[str, str]:
    return {**({"id": item_id} if item_id != str(seq) else {}), **given}


def _name(item_id: str, seq: int, given: dict[str, Any]) -> str:
    """What the caller calls it; unless that is its number, which says nothing."""
    if item_id != str(seq):
        return item_id
    kind, place = next(iter(given.items()), ("", ""))
    return "" if kind in ("text", "upload") else str(place)
