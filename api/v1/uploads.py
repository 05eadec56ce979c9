"""Uploads: an image sent to us, to be named in jobs."""

from __future__ import annotations

import io

from flask import Blueprint, Response, request
from werkzeug.formparser import parse_form_data

from api.document.operations import Answer, Operation, describe
from api.document.schemas import UploadView
from api.http.answers import answer
from api.http.auth import caller
from api.services import base_url, services
from api.submission.body import Body, refuse_coded_body
from api.submission.keep_upload import keep_upload
from core.errors import NotFound, RequestError
from db.upload_removal import delete_upload
from db.uploads import read_upload

blueprint = Blueprint("uploads", __name__)
FORM = "multipart/form-data"
FORM_OVERHEAD = 16_384  # bytes of boundaries, headers and small fields around the file
FILE_SCHEMA = {
    "type": "object",
    "properties": {"file": {"type": "string", "format": "binary"}},
    "required": ["file"],
}


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
    view = keep_upload(services(), caller().tenant_id, _file(), where="file")
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


def _file() -> bytes:
    """The form's `file`."""
    if request.mimetype != FORM:
        message = f"Send the image as the field `file` of {FORM}: curl -F file=@photo.jpg"
        raise RequestError("unsupported_media_type", message, where="Content-Type")
    refuse_coded_body()
    limit = services().settings.max_upload_bytes
    body = Body(request.environ).read_all(limit + FORM_OVERHEAD, "upload_too_large", "Make the image smaller.")
    environ = {
        "wsgi.input": io.BytesIO(body),
        "CONTENT_LENGTH": str(len(body)),
        "CONTENT_TYPE": request.environ.get("CONTENT_TYPE", ""),
        "REQUEST_METHOD": "POST",
    }
    _, _, files = parse_form_data(environ, silent=True)
    try:
        found = files.get("file")
        if len(list(files.items(multi=True))) > 1:
            message = "The form has several files; send each in a request of its own."
            raise RequestError("file_twice", message, where="file")
        if found is None:
            message = "The form has no file in a field named `file`: curl -F file=@photo.jpg"
            raise RequestError("file_missing", message, where="file")
        data: bytes = found.read(limit + 1)
    finally:
        for _, part in files.items(multi=True):
            part.close()
    if len(data) > limit:
        raise RequestError("upload_too_large", f"An upload may have at most {limit:,} bytes.", where="file")
    return data
