"""A JSON submission whose query has fields, too: they fill in what the body leaves out, and none passes unchecked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from core.errors import RequestError
from jobs.fields import JobFields, read_fields

NULL_LEAVES_OUT = ("options", "models", "webhook", "priority", "name", "metadata")
_BY_TASK = ("options", "models")


def filled_in(query: Mapping[str, Any], body: Mapping[str, Any]) -> dict[str, Any]:
    """The body, with the query's fields where it has none; null in it is none, as it is without a query.

    Args:
        query: as `fields_of_query` gives it.
    """
    return {**query, **{name: value for name, value in body.items() if not _left_out(name, value)}}


def check_overruled(
    query: Mapping[str, Any], body: Mapping[str, Any], tasks: tuple[str, ...], plan: Callable[[JobFields], object]
) -> None:
    """Check the fields of the query that the body overrules: each by itself, as the document promises of a parameter.

    Args:
        tasks: the job's, so that there are some where a field has none of its own.
        plan: makes a plan of fields, or refuses them.

    Raises:
        RequestError: with the name of the parameter.
    """
    for name, value in query.items():
        if name in body and not _left_out(name, body[name]):
            _check_alone(name, value, tasks, plan)


def _check_alone(name: str, value: Any, tasks: tuple[str, ...], plan: Callable[[JobFields], object]) -> None:
    own = list(value) if name in _BY_TASK and isinstance(value, dict) else None
    try:
        plan(read_fields(JobFields, {"tasks": own or list(tasks), name: value}))
    except RequestError as error:
        raise RequestError(error.code, error.message, where=_parameter(name, error.where)) from None


def _left_out(name: str, value: Any) -> bool:
    return value is None and name in NULL_LEAVES_OUT


def _parameter(name: str, where: str | None) -> str:
    if name == "webhook":
        return "webhook_secret" if where == "/webhook/secret" else "webhook_url"
    return name
