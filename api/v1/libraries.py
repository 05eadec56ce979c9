"""Photo libraries: making, reading, changing and giving up. None of it starts a run."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, request

from api.document import parameters
from api.document.library_answers import LibraryPage, LibraryView
from api.document.library_bodies import LIBRARY_PATCH, NEW_LIBRARY
from api.document.operations import Answer, Operation, describe
from api.http.answers import answer
from api.http.auth import caller
from api.http.cursors import LIBRARIES, before_id, read_id
from api.http.queries import int_parameter
from api.services import base_url, services
from api.submission.json_body import JSON, read_json
from api.submission.once import make_once
from api.v1.library_views import shown_library
from db.engine import Session
from db.libraries import find_library, list_libraries
from libraries.library_fields import LibraryFields, LibraryPatch
from libraries.manage import Surroundings, create_library, delete_library, patch_library

blueprint = Blueprint("libraries", __name__)
TAG = "libraries"
MOST, USUAL = 500, 50
_FIELDS = ("json_invalid", "field_invalid", "body_too_large", "unsupported_media_type", "request_timeout",
           "length_required", "sidecars_contested", "model_unavailable")  # fmt: skip


@blueprint.post("/v1/libraries")
@describe(
    Operation(
        "Make a photo library",
        TAG,
        {201: Answer("Made; no run is started.", LibraryView, headers=("Location",))},
        description="Photos of one source, the tasks for each of them, and when they are looked at again. "
        "`write: sidecar` writes XMP beside the photos of a folder or an S3 prefix.",
        parameters=(parameters.IDEMPOTENCY_KEY,),
        body={JSON: NEW_LIBRARY},
        problems=_FIELDS,
    )
)
def create() -> Response:
    fields, body = read_json(LibraryFields)
    around = _around()

    def make(session: Session) -> dict[str, Any]:
        return shown_library(create_library(session, caller().tenant_id, fields, around), base_url())

    made = make_once(body, make, lambda session, known: find_library(session, caller().tenant_id, known))
    response = answer(made.view, 201, Location=made.view["links"]["self"])
    if made.replayed:
        response.headers["Idempotent-Replayed"] = "true"
    return response


@blueprint.get("/v1/libraries")
@describe(
    Operation(
        "List libraries, newest first",
        TAG,
        {200: Answer("A page.", LibraryPage)},
        parameters=(parameters.limit(MOST, USUAL), parameters.cursor(LIBRARIES)),
        problems=("parameter_invalid",),
    )
)
def index() -> Response:
    limit = int_parameter(request.args, "limit", 1, MOST, USUAL)
    before = read_id(request.args.get("cursor"))
    with services().database.read() as session:
        found = list_libraries(session, caller().tenant_id, limit=limit + 1, before=before)
        views = [shown_library(library, base_url()) for library in found[:limit]]
    return answer({"data": views, "next_cursor": before_id(views[-1]["id"]) if len(found) > limit else None})


@blueprint.get("/v1/libraries/<id:library_id>")
@describe(Operation("Read a library", TAG, {200: Answer("The library.", LibraryView)}, problems=("library_not_found",)))
def read(library_id: str) -> Response:
    with services().database.read() as session:
        return answer(shown_library(find_library(session, caller().tenant_id, library_id), base_url()))


@blueprint.patch("/v1/libraries/<id:library_id>")
@describe(
    Operation(
        "Change a library",
        TAG,
        {200: Answer("As it stands now.", LibraryView)},
        description="Each field that is named is replaced whole; null takes `source`, `schedule` or `webhook` away. "
        "Options and models of tasks that are no longer asked for go with them. The next run works by it.",
        body={JSON: LIBRARY_PATCH},
        problems=("library_not_found", *_FIELDS),
    )
)
def change(library_id: str) -> Response:
    fields, _ = read_json(LibraryPatch, null_is_absent=False)
    around = _around()
    with services().database.write() as session:
        library = patch_library(session, caller().tenant_id, library_id, fields, around)
        return answer(shown_library(library, base_url()))


@blueprint.delete("/v1/libraries/<id:library_id>")
@describe(
    Operation(
        "Remove a library",
        TAG,
        {204: Answer("Gone, with all that is known of it; its run ends. No photo and no sidecar is touched.")},
        problems=("library_not_found",),
    )
)
def delete(library_id: str) -> Response:
    with services().database.write() as session:
        delete_library(session, caller().tenant_id, library_id)
    return Response(status=204)


def _around() -> Surroundings:
    return Surroundings(services().settings, services().catalogue, services().warm_models(), base_url())
