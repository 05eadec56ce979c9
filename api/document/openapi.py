"""The OpenAPI 3.1 document, put together from the routes' declarations and the pydantic models."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from flask import Flask
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from api.document.job_schema import job_schemas
from api.document.library_bodies import library_schemas
from api.document.operations import ATTRIBUTE, Answer, Operation, Parameter
from api.document.schemas import UUID, ProblemView
from api.http.auth import is_for_browsers, is_open
from api.http.problems import PROBLEMS
from api.http.scopes import needed_scope
from core.artefacts.catalogue import Catalogue
from core.scopes import Scope

REF = "#/components/schemas/{model}"
VERSION = "1.0.0"
HEADERS = {
    "Location": "Where it is.",
    "ETag": "For If-None-Match.",
    "Preference-Applied": "The wait that was granted.",
}
INTRODUCTION = (
    "Submit photos by URL, S3 object or upload; they are classified in batches; poll, follow or be called back. "
    "Every error is a problem document (RFC 9457) with a stable `code`; only 414 and 431, of what is too long to be "
    "read, are empty."
)
# What the web server, hyper, refuses on its own before it has read the request.
UNREAD = {
    "414": "The address is longer than 65,534 bytes. The answer is empty.",
    "431": "There are more than 100 headers. The answer is empty.",
}
KEY_TEXT = (
    "An API key. Its scope says what it may do: `read` looks, `submit` makes and changes things, too, and `admin` sees "
    "the secret that signs webhooks and makes keys, too."
)


def build_document(app: Flask, catalogue: Catalogue, server: str) -> dict[str, Any]:
    """The document of an application.

    Raises:
        LookupError: a route carries no declaration.
    """
    routes = list(_operations(app))
    return {
        "openapi": "3.1.0",
        "info": {"title": "Tagline", "version": VERSION, "description": INTRODUCTION},
        "servers": [{"url": server}],
        "security": [{"key": []}],
        "tags": [{"name": tag} for tag in dict.fromkeys(operation.tag for _, _, _, operation, _ in routes)],
        "paths": _paths(routes),
        "components": {
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer", "description": KEY_TEXT}},
            "schemas": {**_schemas(routes), **job_schemas(catalogue), **library_schemas(catalogue)},
        },
    }


Route = tuple[str, str, str, Operation, Scope | None]  # path, method, endpoint, declaration, what a key needs


def _operations(app: Flask) -> Iterator[Route]:
    for rule in app.url_map.iter_rules():
        if is_for_browsers(app, rule.endpoint):
            continue
        operation = getattr(app.view_functions[rule.endpoint], ATTRIBUTE, None)
        if operation is None:
            raise LookupError(f"{rule.rule} has no @describe")
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            open_to_all = is_open(app, rule.endpoint)
            scope = None if open_to_all else needed_scope(app, rule.endpoint, method)
            yield rule.rule, method.lower(), rule.endpoint, operation, scope


def _paths(routes: list[Route]) -> dict[str, Any]:
    paths: dict[str, Any] = {}
    for rule, method, endpoint, operation, scope in routes:
        path = re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule)
        paths.setdefault(path, {})[method] = _operation(rule, endpoint, operation, scope)
    return paths


def _operation(rule: str, endpoint: str, operation: Operation, scope: Scope | None) -> dict[str, Any]:
    found: dict[str, Any] = {
        "operationId": endpoint.replace(".", "_"),
        "summary": operation.summary,
        "tags": [operation.tag],
        "responses": _responses(operation, scope),
        # OpenAPI 3.1: for a key, the roles that it must have
        "security": [] if scope is None else [{"key": [scope.value]}],
    }
    told = [operation.description] if operation.description else []
    if scope is not None:
        told.append(f"Needs a key with the scope `{scope}`.")
    if told:
        found["description"] = " ".join(told)
    parameters = [*_path_parameters(rule), *(_parameter(p) for p in operation.parameters)]
    if parameters:
        found["parameters"] = parameters
    if operation.body:
        content = {media: {"schema": schema} for media, schema in operation.body.items()}
        found["requestBody"] = {"required": not operation.body_optional, "content": content}
    return found


def _path_parameters(rule: str) -> Iterator[dict[str, Any]]:
    for converter, name in re.findall(r"<(?:(\w+):)?(\w+)>", rule):
        schema = {"type": "string", "pattern": UUID} if converter == "id" else {"type": "string", "minLength": 1}
        yield {"name": name, "in": "path", "required": True, "schema": schema}


def _parameter(parameter: Parameter) -> dict[str, Any]:
    found: dict[str, Any] = {"name": parameter.name, "in": parameter.place, "description": parameter.description}
    if parameter.required:
        found["required"] = True
    if parameter.json:
        # All of them are objects; without an example programs that show the document fill in one of everything.
        return {**found, "content": {"application/json": {"schema": parameter.schema, "example": {}}}}
    if parameter.place == "query":
        found |= {"style": "form", "explode": False}  # arrays are comma separated
    return {**found, "schema": parameter.schema}


def _responses(operation: Operation, scope: Scope | None) -> dict[str, Any]:
    found = {str(status): _answer(answer) for status, answer in operation.answers.items()}
    of_keys = () if scope is None else ("unauthorized",) if scope is Scope.READ else ("unauthorized", "scope_missing")
    for code in (*of_keys, *operation.problems):
        found.setdefault(str(PROBLEMS[code].status), _problem(PROBLEMS[code].title))
    found |= {status: {"description": description} for status, description in UNREAD.items()}
    found["default"] = _problem("Any other problem.")
    return found


def _answer(answer: Answer) -> dict[str, Any]:
    found: dict[str, Any] = {"description": answer.description}
    content: dict[str, Any] = {}
    if answer.model is not None:
        content["application/json"] = {"schema": {"$ref": REF.format(model=answer.model.__name__)}}
    for media, schema in (answer.bodies or {}).items():
        content[media] = {"schema": schema}
    if content:
        found["content"] = content
    if answer.headers:
        found["headers"] = {
            name: {"description": HEADERS[name], "schema": {"type": "string"}} for name in answer.headers
        }
    return found


def _problem(description: str) -> dict[str, Any]:
    schema = {"$ref": REF.format(model=ProblemView.__name__)}
    return {"description": description, "content": {"application/problem+json": {"schema": schema}}}


def _schemas(routes: list[Route]) -> dict[str, Any]:
    models: set[type[BaseModel]] = {ProblemView}
    for _, _, _, operation, _ in routes:
        models |= {answer.model for answer in operation.answers.values() if answer.model is not None}
    ordered = sorted(models, key=lambda model: model.__name__)
    _, schema = models_json_schema([(model, "serialization") for model in ordered], ref_template=REF)
    found: dict[str, Any] = schema["$defs"]
    return found
