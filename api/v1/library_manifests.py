"""The list of a library's photos, sent to us: read and checked to its last line before any of it is stored."""

from __future__ import annotations

from collections.abc import Iterator

from flask import Blueprint, Response, request

from api.document.library_answers import LibraryView
from api.document.operations import Answer, Operation, describe
from api.http.answers import answer
from api.http.auth import caller
from api.services import base_url, services
from api.submission.body import Body, refuse_coded_body
from api.v1.library_views import shown_library
from core.errors import RequestError
from db.libraries import find_library
from libraries.listing.entry import PAGE, Entry
from libraries.listing.manifest import MEDIA_TYPES, read_manifest
from libraries.listing.manifest_url import SortedManifest
from libraries.manifests import receive_manifest

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
        problems=("library_not_found", "source_is_another", "line_invalid",
                  "unsupported_media_type", "request_timeout", "length_required",
                  "body_incomplete"),
    )
)  # fmt: skip
def replace(library_id: str) -> Response:
    media_type = _media_type()
    with services().database.read() as session:
        if find_library(session, caller().tenant_id, library_id).write != "none":
            message = "This library writes sidecars, and photos of a list have no place for them; set write to none."
            raise RequestError("write_impossible", message, where="write")
    with SortedManifest(_read(media_type)) as photos:
        entries = (entry for page in photos.pages("", PAGE) for entry in page.entries)
        library = receive_manifest(services().database, caller().tenant_id, library_id, entries, services().settings)
    return answer(shown_library(library, base_url()))


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


def _media_type() -> str:
    if request.mimetype not in MEDIA_TYPES:
        given = f"not {request.mimetype[:100]!r}" if request.mimetype else "and none was named"
        message = f"Content-Type is one of {', '.join(MEDIA_TYPES)}, {given}."
        raise RequestError("unsupported_media_type", message, where="Content-Type")
    refuse_coded_body()
    return request.mimetype
