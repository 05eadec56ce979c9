"""Small requests whose body is one JSON object."""

from __future__ import annotations

from typing import Any, TypeVar

from flask import request
from pydantic.fields import FieldInfo

from api.services import services
from api.submission.body import Body, media_type_of, refuse_coded_body
from core.strict_json import loads_body
from jobs.fields import Request, read_fields

JSON = "application/json"
Fields = TypeVar("Fields", bound=Request)


def read_json(model: type[Fields], *, optional: bool = False, null_is_absent: bool = True) -> tuple[Fields, Body]:
    """The fields of the current request's body, and the body as it was read.

    Args:
        optional: no body at all is as good as `{}`.
        null_is_absent: null for a field that has another default is the same as leaving it out.

    Raises:
        RequestError: `unsupported_media_type`, `body_too_large`, `json_invalid`, or as `read_fields`.
    """
    body = Body(request.environ)
    if optional and not request.mimetype:
        refuse_coded_body()
    else:
        media_type_of((JSON,))
    data = body.read_all(services().settings.max_json_bytes, "body_too_large", "Send less at once.")
    given_fields = loads_body(data) if data or not optional else {}
    if null_is_absent and isinstance(given_fields, dict):
        given_fields = {name: value for name, value in given_fields.items() if not _left_out(model, name, value)}
    return read_fields(model, given_fields), body


def _left_out(model: type[Request], name: str, value: Any) -> bool:
    field: FieldInfo | None = model.model_fields.get(name)
    return value is None and field is not None and not field.is_required()
