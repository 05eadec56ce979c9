"""Manifests that are streamed to a library: written while they arrive, and counting once they have come whole."""

from __future__ import annotations

from collections.abc import Iterable

from core.errors import Conflict, RequestError
from core.inputs import groups
from core.settings import Settings
from db.engine import Database
from db.libraries import change_library, find_library
from db.library_manifests import accept_manifest, new_edition, write_manifest
from db.library_runs import unfinished_run
from db.library_tables import Library
from libraries.listing.entry import Entry

SLICE = 2_000


def receive_manifest(
    database: Database, tenant_id: str, library_id: str, photos: Iterable[Entry], settings: Settings
) -> Library:
    """Replace a library's manifest by one whose lines are still arriving; see `libraries.listing.manifest`.

    It is the library's source from then on. If the lines raise, nothing of them counts, and the one before stands.

    Raises:
        NotFound: `library_not_found`.
        Conflict: `source_is_another`, the library has another kind of source; `run_in_progress`.
        RequestError: `too_many_photos`, or what the lines raise.
    """
    with database.write() as session:
        library = find_library(session, tenant_id, library_id)
        _check_free(library)
        edition = new_edition(session)
    seen = 0
    for some in groups(photos, SLICE):
        seen += len(some)
        if seen > settings.library_max_photos:
            raise RequestError("too_many_photos", f"A library has at most {settings.library_max_photos:,} photos.")
        with database.write() as session:
            write_manifest(session, library.number, edition, some)
    with database.write() as session:
        library = find_library(session, tenant_id, library_id, lock=True)
        _check_free(library)
        if unfinished_run(session, library.number) is not None:
            raise Conflict("run_in_progress", f"Library {library_id} has a run that is not finished.")
        count = accept_manifest(session, library, edition)
        change_library(session, library, {"source": {"manifest": {"photos": count}}})
        return library


def _check_free(library: Library) -> None:
    if library.source is not None and "manifest" not in library.source:
        message = "This library has another source; only one without takes a manifest."
        raise Conflict("source_is_another", message)
