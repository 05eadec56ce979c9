"""How often each label stands in a library: counted from the labels' numbers, without reading an output whole."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from db.labels import fold, labels_of
from db.ledger import labelled_recipes
from db.ledger_tables import LedgerEntry
from db.library_tables import Library, LibraryPhoto
from db.output_code import Entry, count_labels_in, numbers_in, unpack_numbers

SLICE = 5_000


def count_labels(session: Session, library: Library, least: float = 0.0) -> list[tuple[str, int]]:
    """How many photos of a library each label stands at, the most frequent first.

    Args:
        least: labels of models count where they score so much.
    """
    specs = session.scalars(select(LibraryPhoto.spec).where(LibraryPhoto.library == library.number).distinct()).all()
    labelled = labelled_recipes(session, [spec for spec in specs if spec is not None])
    simple: Counter[int] = Counter()  # of photos with one output that nobody edited
    others: list[set[int]] = []
    after = 0
    while (upper := _slice_end(session, library, after)) is not None:
        _count_slice(session, library, (after, upper), least, labelled, simple, others)
        after = upper
    return _ordered(session, simple, others)


def _slice_end(session: Session, library: Library, after: int) -> int | None:
    ids = select(LibraryPhoto.id).where(LibraryPhoto.library == library.number, LibraryPhoto.id > after)
    some = ids.order_by(LibraryPhoto.id).limit(SLICE).subquery()
    end: int | None = session.scalars(select(func.max(some.c.id))).one()
    return end


def _count_slice(
    session: Session,
    library: Library,
    bounds: tuple[int, int],
    least: float,
    labelled: dict[int, list[int]],
    simple: Counter[int],
    others: list[set[int]],
) -> None:
    photo, entry = LibraryPhoto, LedgerEntry
    within = (photo.library == library.number, photo.id > bounds[0], photo.id <= bounds[1])
    recipes = {recipe for some in labelled.values() for recipe in some}
    rows = session.execute(
        select(photo.id, photo.spec, entry.recipe, entry.body)
        .join(entry, entry.sha256 == func.coalesce(photo.shown, photo.sha256))
        .where(*within, entry.recipe.in_(recipes))
    )
    told = {
        row.id: (unpack_numbers(row.added), unpack_numbers(row.removed))
        for row in session.execute(
            select(photo.id, photo.added, photo.removed).where(
                *within, (photo.added.is_not(None)) | (photo.removed.is_not(None))
            )
        )
    }
    whole: dict[int, set[int]] = {number: set() for number in told}
    bodies: list[bytes] = []
    for row in rows:
        mine = labelled.get(row.spec, ())
        if row.recipe not in mine:
            continue
        if len(mine) == 1 and row.id not in told:
            bodies.append(row.body)
        else:
            whole.setdefault(row.id, set()).update(unpack_numbers(numbers_in(row.body, least)))
    simple.update(count_labels_in(bodies, least))
    names = _Names(session)
    for number, found in whole.items():
        added, removed = told.get(number, ((), ()))
        gone = {names[one] for one in removed}
        others.append({one for one in (*added, *found) if names[one] not in gone})


class _Names(dict[int, str]):
    """Labels by number as they are compared, read when they are asked for."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session

    def __missing__(self, number: int) -> str:
        self[number] = name = fold(labels_of(self._session, [number])[number][0])
        return name


def _ordered(session: Session, simple: Counter[int], others: Iterable[Collection[int]]) -> list[tuple[str, int]]:
    numbers = set(simple).union(*others)
    labels: dict[int, Entry] = labels_of(session, numbers)
    counted: Counter[str] = Counter()
    spelled: dict[str, str] = {}
    for number, count in simple.items():
        counted[fold(labels[number][0])] += count
    for some in others:
        counted.update({fold(labels[number][0]) for number in some})
    for number in sorted(numbers):
        spelled.setdefault(fold(labels[number][0]), labels[number][0])
    return [(spelled[name], count) for name, count in sorted(counted.items(), key=lambda one: (-one[1], one[0]))]
