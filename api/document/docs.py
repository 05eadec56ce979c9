"""/openapi.json, and the same for people at /docs: one page that loads nothing from elsewhere."""

from __future__ import annotations

import html
import json
from collections.abc import Iterator, Sequence
from typing import Any

from flask import Response, current_app

from api.document.docs_style import PAGE
from api.document.openapi import build_document
from api.document.operations import Answer, Operation, describe
from api.http.answers import answer
from api.http.auth import OpenBlueprint
from api.services import base_url, services

blueprint = OpenBlueprint("docs", __name__)


@blueprint.get("/openapi.json")
@describe(
    Operation(
        "This document",
        "operations",
        {200: Answer("OpenAPI 3.1.", bodies={"application/json": {"type": "object"}})},
    )
)
def document() -> Response:
    return answer(build_document(current_app, services().catalogue, base_url()))


@blueprint.get("/docs")
@describe(
    Operation(
        "This document for people",
        "operations",
        {200: Answer("A page.", bodies={"text/html": {"type": "string"}})},
    )
)
def page() -> Response:
    found = build_document(current_app, services().catalogue, base_url())
    response = Response(render(found), content_type="text/html; charset=utf-8")
    response.headers["Content-Security-Policy"] = (
        "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"
    )
    return response


def render(document: dict[str, Any]) -> str:
    """The document as one HTML page without scripts."""
    operations = [
        (path, method, operation) for path, ops in document["paths"].items() for method, operation in ops.items()
    ]
    sections, contents = [], []
    for tag in document["tags"]:
        name = tag["name"]
        own = [entry for entry in operations if name in entry[2]["tags"]]
        contents.append(f"<h2>{_text(name)}</h2>" + "".join(_link(*entry) for entry in own))
        sections.append(f"<h2>{_text(name)}</h2>" + "".join(_operation(*entry) for entry in own))
    schemas = "".join(
        f'<details id="schema-{_text(name)}"><summary><code>{_text(name)}</code></summary>{_json(schema)}</details>'
        for name, schema in sorted(document["components"]["schemas"].items())
    )
    return PAGE.format(
        title=_text(document["info"]["title"]),
        introduction=_prose(document["info"]["description"]),
        server=_text(document["servers"][0]["url"]),
        contents="".join(contents),
        operations="".join(sections),
        schemas=schemas,
    )


def _link(path: str, method: str, operation: dict[str, Any]) -> str:
    anchor = operation["operationId"]
    return f'<a href="#{anchor}"><b class="{method}">{method.upper()}</b> {_text(path)}</a>'


def _operation(path: str, method: str, operation: dict[str, Any]) -> str:
    parts = [
        f'<article id="{operation["operationId"]}">',
        f'<h3><b class="{method}">{method.upper()}</b> <code>{_text(path)}</code></h3>',
        f"<p class=summary>{_prose(operation['summary'])}</p>",
        f"<p>{_prose(operation['description'])}</p>" if "description" in operation else "",
        "<p class=note>No key needed.</p>" if operation.get("security") == [] else "",
    ]
    rows = [
        (
            f"<code>{_text(p['name'])}</code>",
            f"<i>{p['in']}</i>",
            f"{_prose(p.get('description', ''))} {_kind(_schema_of(p))}",
        )
        for p in operation.get("parameters", ())
    ]
    parts.append(_table("Parameters", rows))
    body = operation.get("requestBody", {}).get("content", {})
    parts.append(_table("Body", [(f"<code>{_text(m)}</code>", _kind(c["schema"])) for m, c in body.items()]))
    parts.append(_table("Answers", list(_answers(operation))))
    return "".join(parts) + "</article>"


def _schema_of(parameter: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = parameter.get("schema") or parameter["content"]["application/json"]["schema"]
    return found


def _answers(operation: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    for status, found in operation["responses"].items():
        kinds = [
            f"<code>{_text(media)}</code> {_kind(content['schema'])}"
            for media, content in found.get("content", {}).items()
        ]
        yield f"<code>{status}</code>", _prose(found["description"]), "<br>".join(kinds)


def _kind(schema: dict[str, Any]) -> str:
    """A schema in a few words, or a link to it."""
    if "$ref" in schema:
        name = _text(schema["$ref"].split("/")[3])
        return f'<a href="#schema-{name}">{name}</a>'
    limits = {key: value for key, value in schema.items() if key not in ("description", "type")}
    shown = ", ".join(f"{key} {json.dumps(value)}" for key, value in limits.items())
    return f"<small>{_text(str(schema.get('type', '')))} {_text(shown)}</small>"


def _table(title: str, rows: Sequence[tuple[str, ...]]) -> str:
    if not rows:
        return ""
    lines = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<h4>{title}</h4><table>{lines}</table>"


def _json(value: object) -> str:
    return f"<pre>{_text(json.dumps(value, indent=2, ensure_ascii=False))}</pre>"


def _text(text: str) -> str:
    return html.escape(text)


def _prose(text: str) -> str:
    """Escaped text in which `backquotes` become code."""
    pieces = html.escape(text).split("`")
    return "".join(f"<code>{p}</code>" if place % 2 else p for place, p in enumerate(pieces))
