"""Writing sidecars: a run's, and after edits and undone runs."""

from __future__ import annotations

import logging
from collections.abc import Callable

from core.errors import ItemError, TaglineError
from core.states import RunState
from db.labels import fold
from db.library_ends import end_run
from db.library_runs import hold, run_numbered
from db.library_sidecars import (
    DueSidecar,
    SavedSidecar,
    Standing,
    claim_unsaved,
    due_sidecars,
    end_sidecars,
    find_unsaved,
    release_unsaved,
    store_sidecars,
)
from db.library_tables import Library
from libraries.sidecars.open_sidecars import open_sidecars
from libraries.sidecars.sidecar_place import SidecarPlace, Updated, update_sidecar
from libraries.xmp.packet import SidecarError
from libraries.xmp.sidecar_fields import Written
from libraries.xmp.sidecar_merge import Wanted
from worker.chunk.context import WorkerContext
from worker.libraries.stage_lease import StageLease, Stopping

log = logging.getLogger(__name__)

SLICE = 100
AGAIN_MS = 2_000  # a library whose sidecars were written outside of a run is not looked at before
TAKEN_MS = 120_000


def save_of_run(context: WorkerContext, lease: StageLease) -> None:
    """Write the sidecars of a run: of what it labelled anew, and of what others have changed since."""
    claim = lease.claim
    with context.database.read() as session:
        library = session.get_one(Library, claim.library)
        run = run_numbered(session, claim.number)
    assert run is not None
    source = run.source or {}
    try:
        place = open_sidecars(source, context.settings)
    except (ValueError, ItemError) as error:
        with context.database.write() as session:
            hold(session, claim)
            locked = run_numbered(session, claim.number)
            assert locked is not None
            end_run(session, locked, RunState.FAILED, code="write_impossible", message=str(error))
        return

    def store(saved: list[SavedSidecar]) -> None:
        with context.database.write() as session:
            hold(session, claim, attempts=1)
            store_sidecars(session, saved)

    _save(context, place, library, claim.number, lease.check, store)
    with context.database.write() as session:
        end_sidecars(session, claim)


def save_unsaved(context: WorkerContext) -> bool:
    """Write the sidecars of a library that people edited, or a run of which was undone; False if there is none."""
    with context.database.read() as session:
        number = find_unsaved(session)
    if number is None:
        return False
    with context.database.write() as session:
        library = claim_unsaved(session, number, lease_ms=TAKEN_MS)
    if library is None:
        return False

    def check() -> None:
        if context.stopping.is_set():
            raise Stopping

    def store(saved: list[SavedSidecar]) -> None:
        with context.database.write() as session:
            store_sidecars(session, saved)

    try:
        _save(context, open_sidecars(library.source or {}, context.settings), library, None, check, store)
    except (Stopping, ValueError, ItemError):
        pass
    finally:
        with context.database.write() as session:
            release_unsaved(session, library.number, pause_ms=AGAIN_MS)
    return False


def _save(
    context: WorkerContext,
    place: SidecarPlace,
    library: Library,
    run: int | None,
    check: Callable[[], None],
    store: Callable[[list[SavedSidecar]], None],
) -> None:
    after = 0
    while True:
        check()
        with context.database.read() as session:
            due = due_sidecars(session, library.number, run=run, after=after, most=SLICE)
        if not due:
            return
        store([_saved(place, one, library.write_threshold) for one in due])
        after = due[-1].photo


def _saved(place: SidecarPlace, due: DueSidecar, threshold: float) -> SavedSidecar:
    base = due.base
    written = Written(base.labels, base.people, base.paths, base.caption) if base else None
    try:
        updated = update_sidecar(place, due.key, written, wanted_beside(due, threshold))
    except TaglineError as error:
        log.warning("a sidecar could not be written: %s", error, extra={"photo": due.photo})
        again = isinstance(error, SidecarError) and not error.permanent
        stamp = _stamp(place, due.key)
        return SavedSidecar(due, *stamp, base or Standing(), error_code=error.code, again=again)
    return _taken_over(due, updated)


def _taken_over(due: DueSidecar, updated: Updated) -> SavedSidecar:
    merged = updated.merged
    ours = set(merged.written.labels)
    people = tuple(label for label in merged.fields.labels if label not in ours)
    # A label that stood there before we ever wrote, and that a person has removed in Tagline: the next time it goes.
    refused = {label for label in merged.labels.added if due.base is None and fold(label) in due.removed}
    return SavedSidecar(
        due, updated.name, updated.stamp,
        Standing(merged.written.labels, people, merged.written.paths, merged.fields.description),
        added=tuple(label for label in merged.labels.added if label not in refused), removed=merged.labels.removed,
        caption_changed=merged.description.changed, caption_edit=merged.fields.description or "",
        again=bool(refused),
    )  # fmt: skip


def _stamp(place: SidecarPlace, key: str) -> tuple[str, str | None]:
    """Where a sidecar is that cannot be brought up to date, and its stamp: it is tried again when that changes."""
    try:
        stood = place.read(key)
    except SidecarError:
        return f"{key}.xmp", None
    return stood.name, stood.stamp


def wanted_beside(due: DueSidecar, threshold: float) -> Wanted:
    """What is to stand in a photo's sidecar: labels of people, those of models from a threshold on and the best one
    always, and the caption."""
    models = [one for one in due.labels if one.score is not None]
    good = [one.label for place, one in enumerate(models) if place == 0 or (one.score or 0.0) >= threshold]
    caption = due.caption
    return Wanted(
        labels=tuple(good),
        people=tuple(one.label for one in due.labels if one.score is None),
        description=caption.text if caption else None,
        model=due.models.get("tag") or due.models.get("classify"),
        description_model=due.models.get("caption") if caption and caption.score is not None else None,
        run=due.run,
    )
