"""The list of a library's photos, sent to us: read and checked to its last line before any of it is stored."""

from __future__ import annotations

from collections.abc import Iterator

from flask import Blueprint, Response, request

from api.document.library_answers import LibraryView
from api.document.operations import Answer, Operation, describe
from api.http.answers import answer
from api.http.auth import caller
from api.services import base_url, services
from api.submission.body import Body, media_type_of
from api.v1.library_views import View, shown_library
from api.v1.views import iso
from core.errors import Conflict, RequestError
from db.clock import current_ms
from db.engine import Session
from db.libraries import change_library, find_library
from db.library_manifests import accept_manifest, new_edition, write_manifest
from db.library_runs import unfinished_run
from db.library_tables import Library
from libraries.listing.entry import PAGE, Entry
from libraries.listing.manifest import MEDIA_TYPES, read_manifest
from libraries.listing.manifest_url import SortedManifest

blueprint = Blueprint("library_manifests", __name__)


@blueprint.put("/v1/libraries/<id:library_id>/manifest")
@describe(
    Operation(
        "Send the list of a library's photos",
        "libraries",
        {200: Answer("Stored; from now on it is the library's source.", LibraryView)},
        description="As a stream of any length: `text/plain` (one URL or s3:// URI a line), `text/csv` (a header of "
        "`url` or `s3`, and perhaps `id`, which is then the photo's key) or `application/x-ndjson` (a URL or such an "
        "object a line). A line that cannot be read refuses all of it and is named, and the list before stays. Of two "
        "photos with one key the first counts.",
        body={media: {"type": "string"} for media in MEDIA_TYPES},
        problems=("library_not_found", "run_in_progress", "line_invalid", "unsupported_media_type",
                  "request_timeout", "length_required", "body_incomplete"),
    )
)  # fmt: skip
def replace(library_id: str) -> Response:
    media_type = media_type_of(tuple(MEDIA_TYPES))
    tenant_id = caller().tenant_id
    with services().database.write() as session:
        library = find_library(session, tenant_id, library_id)
        _refuse_meanwhile(session, library)
        number, edition = library.number, new_edition(session)
    with SortedManifest(_read(media_type)) as photos:
        stored = _store(number, edition, photos)
    return answer(_accept(tenant_id, library_id, edition, stored))


def _read(media_type: str) -> Iterator[Entry]:
    most = services().settings.library_max_photos
    count = 0
    for entry in read_manifest(Body(request.environ).blocks(), media_type):
        count += 1
        if count > most:
            raise RequestError("too_many_photos", f"A library has at most {most:,} photos; nothing was accepted.")
        yield entry
    if not count:
        raise RequestError("inputs_empty", "The list names no photo; nothing was accepted.")


def _store(number: int, edition: int, photos: SortedManifest) -> int:
    """Write the lines in slices, under an edition that does not count yet; returns how many."""
    stored = 0
    for page in photos.pages("", PAGE):
        with services().database.write() as session:
            write_manifest(session, number, edition, page.entries)
        stored += len(page.entries)
    return stored


def _accept(tenant_id: str, library_id: str, edition: int, stored: int) -> View:
    with services().database.write() as session:
        library = find_library(session, tenant_id, library_id, lock=True)
        _refuse_meanwhile(session, library)
        later = edition < library.manifest
        accept_manifest(session, library, edition)
        if not later:
            sent = {"photos": stored, "sent_at": iso(current_ms(session))}
            change_library(session, library, {"source": {"manifest": sent}})
        return shown_library(library, base_url())


def _refuse_meanwhile(session: Session, library: Library) -> None:
    """A run reads the list that counted when it began, and sidecars have no place beside the photos of a list.

    Raises:
        Conflict: `run_in_progress`.
        RequestError: `write_impossible`.
    """
    if unfinished_run(session, library.number) is not None:
        raise Conflict("run_in_progress", f"Library {library.id} has a run that is not finished.")
    if library.write != "none":
        message = "This library writes sidecars, and photos of a list have no place for them; set write to none."
        raise RequestError("write_impossible", message, where="write")
