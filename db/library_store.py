"""What came of photos of a run: ledger, photos and the run's changes, in the transaction that stores their chunk.

So the chunk's fencing token guards them, too: whatever dies, a photo has one outcome in a run, and it is there when its
chunk is done. Labels are numbered first, then the ledger is written, then photos: everybody locks in this order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from core.inputs import ItemResult
from core.states import RunState
from db.clock import now_ms
from db.labels import number_labels
from db.ledger import embedding_recipe, recipes_by_task, write_entries
from db.library_moves import find_moved, give_new_key, not_gone
from db.library_tables import Library, LibraryChange, LibraryPhoto, LibraryRun
from db.messages import storable
from db.output_code import encode, entries, pack_numbers
from db.photo_labels import label_diff
from db.photo_outputs import Made, OutputReader, Told, read_outputs, told_of

HOUR_MS = 3_600_000
LONGEST_PAUSE_NIGHTS = 16


@dataclass(slots=True)
class _Item:
    """A result, with what the run and the library know of its photo."""

    result: ItemResult
    change: LibraryChange
    photo: LibraryPhoto | None
    sha256: bytes | None

    @property
    def before(self) -> Made | None:
        change = self.change
        if change.before_sha256 is None or change.before_spec is None:
            return None
        return change.before_sha256, change.before_spec


def store_photos(session: Session, run_number: int, results: Sequence[ItemResult]) -> None:
    """Store what came of photos; nothing of a run that has ended meanwhile."""
    run = session.scalars(
        select(LibraryRun).where(LibraryRun.number == run_number).with_for_update(read=True)
    ).one_or_none()
    if run is None or RunState(run.state).finished or run.spec is None:
        return
    library = session.get_one(Library, run.library)
    items = _items(session, results)
    _fill_ledger(session, run, items)
    now = session.execute(select(now_ms())).scalar_one()
    kept = [item for item in items if not _settle_unchanged(session, run, item, now)]
    for item in kept:
        _find_moved(session, run, item)
    reader = _read(session, run, kept)
    for item in kept:
        _finish(session, run, library, item, reader, now)
    session.flush()  # photos that are new have their numbers now
    for item in kept:
        item.change.photo = item.photo.id if item.photo is not None else item.change.photo
    session.flush()


def _items(session: Session, results: Sequence[ItemResult]) -> list[_Item]:
    by_id = {int(result.item.id): result for result in results if not result.cancelled}
    changes = session.scalars(select(LibraryChange).where(LibraryChange.id.in_(by_id)).order_by(LibraryChange.id)).all()
    ids = [change.photo for change in changes if change.photo is not None]
    query = select(LibraryPhoto).where(LibraryPhoto.id.in_(ids)).order_by(LibraryPhoto.id).with_for_update()
    photos = {photo.id: photo for photo in session.scalars(query)}
    items = []
    for change in changes:
        result, photo = by_id[change.id], photos.get(change.photo or 0)
        sha256 = bytes.fromhex(result.media["sha256"]) if result.media and "sha256" in result.media else None
        if result.unmodified and photo is not None:
            sha256 = photo.sha256
        items.append(_Item(result, change, photo, sha256))
    return items


def _fill_ledger(session: Session, run: LibraryRun, items: Sequence[_Item]) -> None:
    """Write what models said in this run; what the ledger said is there already."""
    assert run.spec is not None
    write_outputs(
        session,
        run.tenant_id,
        recipes_by_task(session, run.spec),
        run.models,
        [item.result for item in items],
        replace=run.what == "all",
    )


def write_outputs(
    session: Session,
    tenant_id: str,
    recipes: Mapping[str, int],
    models: Mapping[str, str],
    results: Sequence[ItemResult],
    *,
    replace: bool = False,
) -> None:
    """Write the outputs and embeddings of those results that models gave into the ledger.

    Args:
        recipes, models: by task.
        replace: what stands there already is replaced.
    """
    ran = [result for result in results if result.outputs and result.media and not result.kept]
    numbers = number_labels(
        session, [entry for result in ran for output in (result.outputs or {}).values() for entry in entries(output)]
    )
    bodies: dict[tuple[bytes, int], bytes] = {}
    for result in ran:
        media = result.media or {}
        sha256 = bytes.fromhex(media["sha256"])
        for task, output in (result.outputs or {}).items():
            size = int(media.get("width", 0)), int(media.get("height", 0))
            bodies[sha256, recipes[task]] = encode(output, numbers, *size)
        for task, embedding in result.embeddings.items():
            bodies[sha256, embedding_recipe(session, tenant_id, models[task])] = embedding.astype("<f2").tobytes()
    write_entries(session, bodies, replace=replace)


def _settle_unchanged(session: Session, run: LibraryRun, item: _Item, now: int) -> bool:
    """Whether a photo turned out to be as it was: its bytes are those known, and it has what is asked for.

    Then the run has nothing to say of it, whatever its source said of the bytes.
    """
    change, photo, result = item.change, item.photo, item.result
    if photo is None or run.what == "all" or change.kind not in ("changed", "unchanged"):
        return False
    same = item.sha256 is not None and item.sha256 == photo.sha256
    if result.error is not None:
        waits = photo.failures > 0 and photo.permanent and result.error.permanent
        as_it_was = waits and (same or item.sha256 is None)
    else:
        as_it_was = same and photo.failures == 0 and photo.spec == run.spec and photo.shown is None
    if as_it_was:
        if not run.dry_run:
            _note_stat(item, photo)
        session.execute(delete(LibraryChange).where(LibraryChange.id == change.id))
        session.expunge(change)
    elif change.kind == "unchanged" or same:
        change.kind = _what_it_is(run, photo, same)
    return as_it_was


def _what_it_is(run: LibraryRun, photo: LibraryPhoto, same: bool) -> str:
    if not same:
        return "changed"
    return "retried" if photo.failures else "stale"


def _note_stat(item: _Item, photo: LibraryPhoto) -> None:
    change, fetched = item.change, item.result.validators
    photo.etag, photo.size, photo.mtime = change.etag, change.size, change.mtime
    if fetched is not None:
        photo.etag, photo.modified = fetched.etag, fetched.modified


def _find_moved(session: Session, run: LibraryRun, item: _Item) -> None:
    """Recognise a photo that has another key now, and let its row go on under it."""
    nameless = item.photo is None or (
        item.photo.spec is None and item.photo.added is None and item.photo.removed is None
    )
    if item.sha256 is None or item.result.error is not None or not nameless or item.change.kind == "changed":
        return
    moved = find_moved(session, run, item.sha256)
    if moved is None:
        return
    if item.change.kind == "new":
        item.change.kind = "moved"
    item.change.before_sha256, item.change.before_spec = moved.shown or moved.sha256, moved.spec
    if run.dry_run:
        item.change.photo = moved.id
        not_gone(session, run, moved)
    else:
        give_new_key(session, run, moved, item.change, replaced=item.photo)
    item.photo = moved


def _read(session: Session, run: LibraryRun, items: Sequence[_Item]) -> OutputReader:
    assert run.spec is not None
    made = [item.before for item in items if item.before is not None]
    made += [(item.sha256, run.spec) for item in items if item.sha256 is not None and item.result.error is None]
    return read_outputs(session, made, [_told(item) for item in items])


def _told(item: _Item) -> Told:
    photo = item.photo
    return Told() if photo is None else told_of(photo.added, photo.removed, photo.caption)


def _finish(session: Session, run: LibraryRun, library: Library, item: _Item, reader: OutputReader, now: int) -> None:
    change, result = item.change, item.result
    change.state = "done"
    if result.error is None:
        _note_success(run, item, reader)
    else:
        change.outcome = "failed"
        change.error_code, change.error_message = result.error.code, storable(result.error.message)
    if run.dry_run:
        return
    photo = item.photo = item.photo or _new_photo(session, run, item, now)
    photo.run, photo.updated_at, photo.missing_since = run.number, now, None
    if result.error is None:
        _update_succeeded(run, library, item, photo)
    else:
        _update_failed(item, photo, now)


def _note_success(run: LibraryRun, item: _Item, reader: OutputReader) -> None:
    change, result = item.change, item.result
    change.after_sha256, change.after_spec = item.sha256, run.spec
    if run.dry_run and not result.reused:  # nobody knows before a model has run
        return
    change.outcome = "succeeded"
    change.done_by = "ledger" if result.reused else "model"
    note_diff(change, reader, item.before, (item.sha256 or b"", run.spec or 0), _told(item))


def note_diff(change: LibraryChange, reader: OutputReader, before: Made | None, after: Made, told: Told) -> None:
    """Write down what a change does to the labels and the caption that stand at its photo."""
    diff = label_diff(reader.shown(before, told), reader.shown(after, told))
    change.added, change.removed, change.kept = map(pack_numbers, (diff.added, diff.removed, diff.kept))
    captions = reader.caption(before, told), reader.caption(after, told)
    change.caption_before, change.caption_after = (one.text if one else None for one in captions)


def _new_photo(session: Session, run: LibraryRun, item: _Item, now: int) -> LibraryPhoto:
    change = item.change
    photo = LibraryPhoto(
        library=run.library, key=change.key, locator=change.locator, updated_at=now, failures=0, permanent=False,
        unsaved=False,
    )  # fmt: skip
    session.add(photo)
    return photo


def _update_succeeded(run: LibraryRun, library: Library, item: _Item, photo: LibraryPhoto) -> None:
    media = item.result.media or {}
    photo.sha256, photo.shown, photo.spec = item.sha256, None, run.spec
    photo.width, photo.height = media.get("width") or photo.width, media.get("height") or photo.height
    photo.failures, photo.permanent, photo.retry_at, photo.error_code = 0, False, None, None
    photo.unsaved = photo.unsaved or library.write != "none"
    _note_stat(item, photo)


def _update_failed(item: _Item, photo: LibraryPhoto, now: int) -> None:
    """What stood at the photo stands on; of its bytes is known what was seen, and if nothing was, nothing."""
    error = item.result.error
    assert error is not None
    if photo.spec is not None and photo.shown is None and item.sha256 != photo.sha256:
        photo.shown = photo.sha256
    photo.sha256 = item.sha256
    photo.failures = min(photo.failures + 1, 30_000)
    photo.permanent, photo.error_code = error.permanent, error.code
    photo.retry_at = None if error.permanent else now + pause_ms(photo.failures)
    _note_stat(item, photo)


def pause_ms(failures: int) -> int:
    """How long a photo that failed so many times in a row is left alone: not at all, then for a night, for two, four
    and so on; some hours less, so that the pause is over when that night's run begins."""
    if failures < 2:
        return 0
    nights = min(1 << min(failures - 2, 10), LONGEST_PAUSE_NIGHTS)
    return (nights * 24 - 6) * HOUR_MS
