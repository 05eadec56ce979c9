"""The fields of a job in the query of a streamed submission, whose body holds the inputs alone."""

from __future__ import annotations

from typing import Any

from core.errors import RequestError
from core.strict_json import loads

_JSON = ("options", "models", "metadata")
_BOOLEANS = {"true": True, "false": False}


def fields_of_query(query: list[tuple[str, str]]) -> dict[str, Any]:
    """The parameters of a streamed submission as the fields of a JSON one.

    Raises:
        RequestError: `parameter_invalid`.
    """
    given = dict(query)
    fields: dict[str, Any] = {name: given[name] for name in ("priority", "name") if name in given}
    if "reuse" in given:
        if given["reuse"] not in _BOOLEANS:
            raise RequestError("parameter_invalid", "Write true or false.", where="reuse")
        fields["reuse"] = _BOOLEANS[given["reuse"]]
    if "tasks" in given:
        fields["tasks"] = given["tasks"].split(",")
    for name in _JSON:
        if name in given:
            fields[name] = _json(name, given[name])
    if "webhook_url" in given:
        fields["webhook"] = {"url": given["webhook_url"]}
        if "webhook_secret" in given:
            fields["webhook"]["secret"] = given["webhook_secret"]
    elif "webhook_secret" in given:
        raise RequestError("parameter_invalid", "It goes with webhook_url.", where="webhook_secret")
    return fields


def _json(name: str, text: str) -> Any:
    try:
        return loads(text)
    except ValueError as error:
        raise RequestError("parameter_invalid", f"Not valid JSON: {error}.", where=name) from None
