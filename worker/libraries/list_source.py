"""Listing the source of a run into the database, page by page, from where a worker before has stopped."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from time import monotonic, sleep

from core.errors import TaglineError
from core.states import RunState
from db.engine import Database
from db.library_ends import end_run
from db.library_listing import ListingProgress, begin_listing, end_listing, write_listing
from db.library_manifests import manifest_page
from db.library_runs import RunClaim, hold, run_numbered
from libraries.listing.entry import Entry, Listing, Page, SourceFailed
from libraries.listing.open_listing import open_listing
from worker.chunk.context import WorkerContext
from worker.libraries.stage_lease import StageLease

log = logging.getLogger(__name__)

SLICE = 5_000
WRITE_S = 2.0  # what was listed is written at least this often
TRIES, PAUSE_S = 3, 1.0


def list_source(context: WorkerContext, lease: StageLease) -> None:
    """List a run's source to its end; a source that cannot be ends the run, and nothing is changed."""
    claim, database = lease.claim, context.database
    try:
        for tried in range(1, TRIES + 1):
            with database.write() as session:
                progress = begin_listing(session, claim)
            try:
                _list(context, lease, progress)
                break
            except SourceFailed as error:
                if error.permanent or tried == TRIES:
                    raise
                log.warning("the source could not be listed, and is tried again: %s", error)
                sleep(PAUSE_S * tried)
    except SourceFailed as error:
        _source_failed(database, claim, error)
        return
    with database.write() as session:
        run = end_listing(session, claim)
        log.info("listed a source", extra={"run": run.id, "photos": run.listed, "skipped": run.skipped})


def _list(context: WorkerContext, lease: StageLease, progress: ListingProgress) -> None:
    listed: list[Entry] = []
    sidecars: list[Entry] = []
    skipped, position = progress.skipped, progress.position
    write_at = monotonic() + WRITE_S
    seen = 0

    def write() -> None:
        with context.database.write() as session:
            write_listing(session, lease.claim, listed, sidecars, position=position, skipped=skipped, lease_ms=lease.ms)

    for page in _listing(context, lease.claim.library, progress).pages(progress.position):
        lease.check()
        listed += page.entries
        sidecars += page.sidecars if progress.sidecars else ()
        skipped += page.skipped
        seen += len(page.entries)
        if seen > context.settings.library_max_photos:
            message = f"The source has more than {context.settings.library_max_photos:,} photos."
            raise SourceFailed("too_many_photos", message)
        position = page.position
        if len(listed) >= SLICE or monotonic() >= write_at:
            write()
            listed, sidecars = [], []
            write_at = monotonic() + WRITE_S
    write()


def _listing(context: WorkerContext, library: int, progress: ListingProgress) -> Listing:
    if "manifest" in progress.source:
        return _StreamedManifest(context.database, library, progress.source["edition"])
    try:
        return open_listing(progress.source, context.settings, context.http)
    except ValueError as error:
        raise SourceFailed("source_invalid", str(error)) from error


def _source_failed(database: Database, claim: RunClaim, error: TaglineError) -> None:
    with database.write() as session:
        hold(session, claim)
        run = run_numbered(session, claim.number)
        assert run is not None
        log.warning("a source could not be listed", extra={"run": run.id, "error": error.code})
        end_run(session, run, RunState.SOURCE_FAILED, code=error.code, message=error.message)


class _StreamedManifest:
    """See Listing: the manifest that was sent to us, in the order of its keys."""

    def __init__(self, database: Database, library: int, edition: int) -> None:
        self._database = database
        self._where = library, edition

    def pages(self, after: str = "") -> Iterator[Page]:
        while True:
            with self._database.read() as session:
                rows = manifest_page(session, *self._where, after=after)
            if not rows:
                return
            after = rows[-1][0]
            yield Page([Entry(key, locator=locator or {"url": key}) for key, locator in rows], position=after)
