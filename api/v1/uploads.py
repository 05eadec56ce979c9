"""Uploads: an image sent to us, to be named in jobs."""

from __future__ import annotations

from flask import Blueprint, Response

from api.document.operations import Answer, Operation, describe
from api.document.schemas import UploadView
from api.http.answers import answer
from api.http.auth import caller
from api.services import base_url, services
from api.submission.form_file import FILE_SCHEMA, FORM, form_file
from api.submission.keep_upload import keep_upload
from core.errors import NotFound
from db.upload_removal import delete_upload
from db.uploads import read_upload

blueprint = Blueprint("uploads", __name__)


@blueprint.post("/v1/uploads")
@describe(
    Operation(
        "Upload an image",
        "uploads",
        {201: Answer("Stored; the same image gets the same id.", UploadView, headers=("Location",))},
        description="It stays until you remove it, or until it was neither sent again nor needed by a job for long (by "
        "default 90 days).",
        body={FORM: FILE_SCHEMA},
        problems=(
            "file_missing",
            "upload_too_large",
            "upload_quota_exceeded",
            "unsupported_media_type",
            "request_timeout",
            "storage_unavailable",
            "bad_request",
        ),
    )
)
def create() -> Response:
    view = keep_upload(services(), caller().tenant_id, form_file(), where="file")
    return answer(view, 201, Location=f"{base_url()}/v1/uploads/{view['id']}")


@blueprint.get("/v1/uploads/<id:upload_id>")
@describe(
    Operation(
        "Read about an upload",
        "uploads",
        {200: Answer("The upload.", UploadView)},
        problems=("upload_not_found",),
    )
)
def read(upload_id: str) -> Response:
    with services().database.read() as session:
        view = read_upload(session, caller().tenant_id, upload_id)
    if view is None:
        raise NotFound("upload_not_found", f"There is no upload {upload_id}.")
    return answer(view)


@blueprint.delete("/v1/uploads/<id:upload_id>")
@describe(
    Operation(
        "Remove an upload",
        "uploads",
        {204: Answer("Gone; its bytes go too unless another upload has the same.")},
        problems=("upload_not_found", "upload_in_use"),
    )
)
def delete(upload_id: str) -> Response:
    with services().database.write() as session:
        delete_upload(session, caller().tenant_id, upload_id)
    return Response(status=204)
