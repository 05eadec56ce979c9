"""Labels by number: each stands once in the database, however many photos have it."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Iterable

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.inputs import groups
from db.ledger_tables import Label
from db.output_code import Entry
from db.upsert import insert_into

AT_A_TIME = 400  # SQLite takes 999 parameters in a statement


def fold(label: str) -> str:
    """A label as it is compared: "Red  Car" is "red car", and what a person removed does not come back in capitals."""
    return " ".join(unicodedata.normalize("NFKC", label).casefold().split())


def number_labels(session: Session, wanted: Iterable[Entry]) -> dict[Entry, int]:
    """The number of each label, those that have none yet getting one.

    Call it before any photo is locked, and with all labels of a transaction at once: two that number the same new
    labels wait for each other, and do it in the same order.
    """
    ordered = sorted(set(wanted))
    found = _find(session, ordered)
    new = [entry for entry in ordered if entry not in found]
    for some in groups(new, AT_A_TIME):
        rows = [{"label": label, "extra": extra, "folded": fold(label)} for label, extra in some]
        session.execute(insert_into(session, Label).on_conflict_do_nothing(), rows)
    return found | _find(session, new) if new else found


def _find(session: Session, wanted: Collection[Entry]) -> dict[Entry, int]:
    found: dict[Entry, int] = {}
    asked = set(wanted)
    for some in groups(wanted, AT_A_TIME):
        # Not pairs IN pairs, for which SQLite reads the whole table; nor each label with the extras of all.
        labels = {label for label, _ in some}
        rows = session.execute(select(Label.id, Label.label, Label.extra).where(Label.label.in_(labels)))
        found.update({key: row.id for row in rows if (key := (row.label, row.extra)) in asked})
    return found


def labels_of(session: Session, numbers: Iterable[int]) -> dict[int, Entry]:
    """The labels that some numbers stand for."""
    found: dict[int, Entry] = {}
    for some in groups(sorted(set(numbers)), AT_A_TIME):
        rows = session.execute(select(Label.id, Label.label, Label.extra).where(Label.id.in_(some)))
        found.update({row.id: (row.label, row.extra) for row in rows})
    return found


def numbers_of(session: Session, label: str) -> list[int]:
    """The numbers of a label as people write it: one for each of the forms in which it is known."""
    return list(session.scalars(select(Label.id).where(Label.folded == fold(label))))
