"""What a run changed: pages for people and programs, and all of it in a pass for the run's end."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from db.engine import Database
from db.labels import fold, labels_of
from db.ledger import describe_recipes, recipes_of
from db.library_sure import SureLabels
from db.library_tables import LibraryChange, LibraryRun
from db.output_code import Entry, unpack_numbers

MOST_FREQUENT = 20
PAGE = 1_000
WHY = {
    "new": "new",
    "changed": "its bytes changed",
    "moved": "it has another key",
    "retried": "it failed before",
    "gone": "its source no longer lists it",
}


def page_changes(
    session: Session, run: LibraryRun, *, limit: int, after: int = 0, kind: str | None = None, least: float = 0.0
) -> list[tuple[int, dict[str, Any]]]:
    """Up to `limit` changes with their numbers above `after`, by number; with `least` only labels that are worth
    showing, see `SureLabels`."""
    query = select(LibraryChange).where(LibraryChange.run == run.number, LibraryChange.id > after)
    if kind is not None:
        query = query.where(LibraryChange.kind == kind)
    rows = session.scalars(query.order_by(LibraryChange.id).limit(limit)).all()
    numbers = {
        number for row in rows for packed in (row.added, row.removed, row.kept) for number in unpack_numbers(packed)
    }
    labels = labels_of(session, numbers)
    reasons = _reasons(session, run, {row.before_spec for row in rows if row.before_spec is not None})
    sure = SureLabels(session, rows, least) if least else None
    return [(row.id, _view(row, run, labels, reasons, sure)) for row in rows]


def stream_changes(database: Database, run: LibraryRun, *, kind: str | None = None) -> Iterator[dict[str, Any]]:
    """All changes of a run by number, read page by page: constant memory, and no transaction held between pages."""
    after = 0
    while True:
        with database.read() as session:
            rows = page_changes(session, run, limit=PAGE, after=after, kind=kind)
        yield from (view for _, view in rows)
        if len(rows) < PAGE:
            return
        after = rows[-1][0]


def _view(
    row: LibraryChange,
    run: LibraryRun,
    labels: dict[int, Entry],
    reasons: dict[int | None, str],
    sure: SureLabels | None,
) -> dict[str, Any]:
    came, went = unpack_numbers(row.added), unpack_numbers(row.removed)
    why = WHY.get(row.kind) or reasons.get(row.before_spec, "its outputs were undone")
    if run.what in ("all", "relabel") and row.kind == "unchanged":
        why = f"{run.what} was asked for"
    return {
        "photo_id": str(row.photo) if row.photo is not None else None,
        "key": row.key,
        "kind": row.kind,
        "outcome": row.outcome,
        "added": _texts(labels, sure.came(row, came) if sure else came),
        "removed": _texts(labels, sure.went(row, went) if sure else went),
        "kept": _texts(labels, unpack_numbers(row.kept)),
        "caption": {"before": row.caption_before, "after": row.caption_after},
        "why": why,
        "error": {"code": row.error_code, "message": row.error_message} if row.error_code else None,
    }


def _texts(labels: dict[int, Entry], numbers: Sequence[int]) -> list[str]:
    return [labels[number][0] for number in numbers]


def _reasons(session: Session, run: LibraryRun, specs: set[int]) -> dict[int | None, str]:
    """For what was made with each spec, why that is no longer what is asked for."""
    if run.spec is None:
        return {}
    made_with = recipes_of(session, {*specs, run.spec})
    recipes = describe_recipes(session, {recipe for some in made_with.values() for recipe in some})
    wanted = {recipes[recipe][0]: recipe for recipe in made_with.get(run.spec, ())}
    reasons: dict[int | None, str] = {}
    for spec in specs:
        had = {recipes[recipe][0]: recipe for recipe in made_with.get(spec, ())}
        said = []
        for task, recipe in sorted(wanted.items()):
            if task not in had:
                said.append(f"{task} is asked for now")
            elif recipes[had[task]][1] != recipes[recipe][1]:
                said.append(f"{task} was made by {recipes[had[task]][1]}, and {recipes[recipe][1]} is asked for")
            elif had[task] != recipe:
                said.append(f"{task} was made with other options")
        said += [f"{task} is no longer asked for" for task in sorted(had.keys() - wanted.keys())]
        if said:
            reasons[spec] = "; ".join(said)
    return reasons


def summarize(session: Session, run: LibraryRun) -> tuple[dict[str, Any], str]:
    """The labels that came and went most in a run, and the SHA-256 of its outcomes: a line for each photo that was not
    unchanged, by key as bytes."""
    came: Counter[int] = Counter()
    went: Counter[int] = Counter()
    digest = hashlib.sha256()
    after: str | None = None
    columns = (
        LibraryChange.key, LibraryChange.kind, LibraryChange.outcome, LibraryChange.added, LibraryChange.removed,
    )  # fmt: skip
    while True:
        query = select(*columns).where(LibraryChange.run == run.number)
        if after is not None:
            query = query.where(LibraryChange.key > after)
        rows = session.execute(query.order_by(LibraryChange.key).limit(PAGE)).all()
        for row in rows:
            came.update(unpack_numbers(row.added))
            went.update(unpack_numbers(row.removed))
            digest.update(outcome_line(row.key, row.kind, row.outcome))
        if len(rows) < PAGE:
            break
        after = rows[-1].key
    labels = labels_of(session, {*came, *went})
    return {"added": _most(came, labels), "removed": _most(went, labels)}, digest.hexdigest()


def outcome_line(key: str, kind: str, outcome: str | None) -> bytes:
    """A line of a receipt: the key as JSON, the kind, and what became of a photo that was due."""
    words = [json.dumps(key, ensure_ascii=False), kind, *([outcome] if outcome else [])]
    return (" ".join(words) + "\n").encode()


def _most(counted: Counter[int], labels: dict[int, Entry]) -> list[dict[str, Any]]:
    by_name: Counter[str] = Counter()
    spelled: dict[str, str] = {}
    for number, count in counted.items():
        name = fold(labels[number][0])
        by_name[name] += count
        spelled.setdefault(name, labels[number][0])
    ordered: Sequence[tuple[str, int]] = sorted(by_name.items(), key=lambda one: (-one[1], one[0]))
    return [{"label": spelled[name], "count": count} for name, count in ordered[:MOST_FREQUENT]]
