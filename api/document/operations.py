"""What each route tells the OpenAPI document; every route carries one of these declarations."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ParamSpec

from flask import Response, request
from pydantic import BaseModel

from api.http.queries import check_names

P = ParamSpec("P")
View = Callable[P, Response]
Schema = dict[str, Any]
ATTRIBUTE = "operation"


@dataclass(frozen=True, slots=True)
class Parameter:
    """A query or header parameter."""

    name: str
    schema: Schema
    description: str
    place: str = "query"
    json: bool = False  # its value is a JSON document
    required: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """A successful answer: a model served as JSON, or bodies by media type, or nothing."""

    description: str
    model: type[BaseModel] | None = None
    bodies: dict[str, Schema] | None = None
    headers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Operation:
    """One route, described.

    Attributes:
        body: schemas by media type; a schema of {"$job": True} stands for the submission's.
        problems: the codes it can be answered with besides 401 and 500.
    """

    summary: str
    tag: str
    answers: dict[int, Answer]
    description: str = ""
    parameters: tuple[Parameter, ...] = ()
    body: dict[str, Schema] | None = None
    body_optional: bool = False
    problems: tuple[str, ...] = ()


def describe(operation: Operation) -> Callable[[View[P]], View[P]]:
    """Attach an operation to a view, and refuse query parameters that it does not name."""
    known = {parameter.name for parameter in operation.parameters if parameter.place == "query"}

    def decorate(view: View[P]) -> View[P]:
        @functools.wraps(view)
        def checked(*args: P.args, **kwargs: P.kwargs) -> Response:
            check_names(request.args, known)
            return view(*args, **kwargs)

        setattr(checked, ATTRIBUTE, operation)
        return checked

    return decorate
