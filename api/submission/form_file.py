"""The file of a form, read whole: a photo that somebody sends."""

from __future__ import annotations

import io
from typing import Final

from flask import request
from werkzeug.formparser import parse_form_data

from api.services import services
from api.submission.body import Body, refuse_coded_body
from core.errors import RequestError

FORM = "multipart/form-data"
FILE_SCHEMA: Final = {
    "type": "object",
    "properties": {"file": {"type": "string", "format": "binary"}},
    "required": ["file"],
}
_OVERHEAD = 16_384  # bytes of boundaries, headers and small fields around the file


def form_file() -> bytes:
    """The `file` of the current request's form.

    Raises:
        RequestError: `unsupported_media_type`, `file_missing`, `file_twice`, `upload_too_large`, or as `Body.read_all`.
    """
    if request.mimetype != FORM:
        message = f"Send the image as the field `file` of {FORM}: curl -F file=@photo.jpg"
        raise RequestError("unsupported_media_type", message, where="Content-Type")
    refuse_coded_body()
    limit = services().settings.max_upload_bytes
    body = Body(request.environ).read_all(limit + _OVERHEAD, "upload_too_large", "Make the image smaller.")
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
