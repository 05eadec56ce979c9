"""Query parameters: read once each, by name, with a clear refusal."""

from __future__ import annotations

from typing import Any

from werkzeug.datastructures import MultiDict

from api.submission.strict_json import loads
from core.errors import RequestError

_JSON = ("options", "models", "metadata")


def fields_of_query(query: list[tuple[str, str]]) -> dict[str, Any]:
    """The parameters of a streamed submission as the fields of a JSON one.

    Raises:
        RequestError: `parameter_invalid`.
    """
    given = dict(query)
    fields: dict[str, Any] = {name: given[name] for name in ("priority", "name") if name in given}
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


def check_names(args: MultiDict[str, str], known: set[str]) -> None:
    """Refuse parameters that are unknown or given twice: a typing error must not be ignored.

    Raises:
        RequestError: `parameter_unknown` or `parameter_invalid`.
    """
    for name in args:
        if name not in known:
            takes = ", ".join(sorted(known)) or "none"
            message = f"There is no parameter {name[:50]!r} here; there is: {takes}."
            raise RequestError("parameter_unknown", message, where=name[:50])
        if len(args.getlist(name)) > 1:
            raise RequestError("parameter_invalid", "Give it once.", where=name)


def int_parameter(args: MultiDict[str, str], name: str, low: int, high: int, default: int) -> int:
    """A whole number.

    Raises:
        RequestError: `parameter_invalid`.
    """
    text = args.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 10 and low <= int(text) <= high):
        raise RequestError("parameter_invalid", f"A whole number from {low} to {high}.", where=name)
    return int(text)


def choice_parameter(args: MultiDict[str, str], name: str, choices: tuple[str, ...]) -> str | None:
    """One of some words, or None if it is not given.

    Raises:
        RequestError: `parameter_invalid`.
    """
    text = args.get(name)
    if text is not None and text not in choices:
        raise RequestError("parameter_invalid", f"One of {', '.join(choices)}.", where=name)
    return text


def _json(name: str, text: str) -> Any:
    try:
        return loads(text)
    except ValueError as error:
        raise RequestError("parameter_invalid", f"Not valid JSON: {error}.", where=name) from None
