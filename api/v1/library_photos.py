"""Photos of a library: pages of them, one, how often each label stands there, and what people say of them."""

from __future__ import annotations

from flask import Blueprint, Response, request

from api.document import parameters
from api.document.library_answers import LabelCountPage, PhotoPage, PhotoView
from api.document.library_bodies import CAPTION_EDIT, LABEL_EDITS
from api.document.operations import Answer, Operation, Parameter, describe
from api.http.answers import answer
from api.http.auth import caller
from api.http.cursors import NUMBERS, OFFSETS, after_number, from_offset, read_number, read_offset
from api.http.queries import choice_parameter, int_parameter, text_parameter
from api.services import services
from api.submission.json_body import JSON, read_json
from api.submission.library_requests import CaptionEditRequest, LabelEditsRequest, check_total
from api.v1.library_views import View, with_times
from core.states import PhotoState
from db.library_photos import PhotoFilter
from libraries import photos

blueprint = Blueprint("library_photos", __name__)
TAG = "library photos"
MOST, USUAL = 500, 100
MAX_LABEL, MAX_WORDS = 200, 200
STATES, GIVERS = tuple(PhotoState), ("model", "person")
_MISSING = ("library_not_found", "photo_not_found")
_EDITS = ("json_invalid", "field_invalid", "body_too_large", "unsupported_media_type", "request_timeout",
          "length_required")  # fmt: skip
FILTERS = (
    Parameter("label", {"type": "string", "minLength": 1, "maxLength": MAX_LABEL}, "Those that it stands at."),
    Parameter("by", {"type": "string", "enum": list(GIVERS)}, "Who gave the label; or, without one, any of them."),
    parameters.state(STATES),
    Parameter("q", {"type": "string", "minLength": 1, "maxLength": MAX_WORDS}, "Words of the key or the caption."),
)


@blueprint.get("/v1/libraries/<id:library_id>/photos")
@describe(
    Operation(
        "List a library's photos",
        TAG,
        {200: Answer("A page, in the order in which they were first met.", PhotoPage)},
        description="Photos that the source no longer lists stay, as `missing`, until they are forgotten.",
        parameters=(parameters.limit(MOST, USUAL), parameters.cursor(NUMBERS), *FILTERS),
        problems=("library_not_found", "parameter_invalid"),
    )
)
def index(library_id: str) -> Response:
    limit = int_parameter(request.args, "limit", 1, MOST, USUAL)
    after = read_number(request.args.get("cursor"))
    wanted = PhotoFilter(
        label=text_parameter(request.args, "label", MAX_LABEL),
        by=choice_parameter(request.args, "by", GIVERS),
        state=choice_parameter(request.args, "state", STATES),
        q=text_parameter(request.args, "q", MAX_WORDS),
    )
    with services().database.read() as session:
        tenant_id = caller().tenant_id
        found = photos.list_photos(session, tenant_id, library_id, wanted, limit=limit + 1, after=after)
    more = after_number(int(found[limit - 1]["id"])) if len(found) > limit else None
    return answer({"data": [with_times(view) for view in found[:limit]], "next_cursor": more})


@blueprint.get("/v1/libraries/<id:library_id>/labels")
@describe(
    Operation(
        "Count a library's photos by label",
        TAG,
        {200: Answer("A page, the most frequent first.", LabelCountPage)},
        parameters=(parameters.limit(MOST, USUAL), parameters.cursor(OFFSETS)),
        problems=("library_not_found", "parameter_invalid"),
    )
)
def labels(library_id: str) -> Response:
    limit = int_parameter(request.args, "limit", 1, MOST, USUAL)
    offset = read_offset(request.args.get("cursor"))
    with services().database.read() as session:
        found = photos.label_counts(session, caller().tenant_id, library_id)
    more = from_offset(offset + limit) if len(found) > offset + limit else None
    return answer({"data": found[offset : offset + limit], "next_cursor": more})


@blueprint.get("/v1/libraries/<id:library_id>/photos/<photo_id>")
@describe(Operation("Read a photo", TAG, {200: Answer("As it stands.", PhotoView)}, problems=_MISSING))
def read(library_id: str, photo_id: str) -> Response:
    with services().database.read() as session:
        return answer(with_times(photos.read_photo(session, caller().tenant_id, library_id, photo_id)))


@blueprint.put("/v1/libraries/<id:library_id>/photos/<photo_id>/labels")
@describe(
    Operation(
        "Correct a photo's labels",
        TAG,
        {200: Answer("The photo as it stands now.", PhotoView)},
        description="What is added stays and what is removed never comes back, whatever later runs say. Edits "
        "accumulate; adding what was removed cancels the removal.",
        body={JSON: LABEL_EDITS},
        problems=(*_MISSING, *_EDITS),
    )
)
def edit_labels(library_id: str, photo_id: str) -> Response:
    edits, _ = read_json(LabelEditsRequest)
    edits.check()
    with services().database.write() as session:
        view = photos.edit_labels(session, caller().tenant_id, library_id, photo_id, edits)
        check_total(view["labels"])
    return _changed(view)


@blueprint.put("/v1/libraries/<id:library_id>/photos/<photo_id>/caption")
@describe(
    Operation(
        "Correct a photo's caption",
        TAG,
        {200: Answer("The photo as it stands now.", PhotoView)},
        description="It stays, whatever later runs say; null gives it back to the model.",
        body={JSON: CAPTION_EDIT},
        problems=(*_MISSING, *_EDITS),
    )
)
def edit_caption(library_id: str, photo_id: str) -> Response:
    edit, _ = read_json(CaptionEditRequest)
    edit.check()
    with services().database.write() as session:
        view = photos.edit_caption(session, caller().tenant_id, library_id, photo_id, edit)
    return _changed(view)


def _changed(view: View) -> Response:
    services().doorbell.wake()  # its sidecar is to be written
    return answer(with_times(view))
