"""Libraries and runs as people name them, lists that come in pages, and requests that make something once."""

from __future__ import annotations

import json
import secrets
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from cli.client.connection import JSON, Client
from cli.client.problems import Unreachable
from cli.terminal import Failure

_PAGE = 500
_SHOWN = 5
View = dict[str, Any]


def find_library(client: Client, named: str) -> View:
    """A library by its id or its name.

    Raises:
        Failure: there is none, or there are several of this name.
    """
    try:
        return checked(client.call("GET", f"/v1/libraries/{UUID(named.strip())}"))
    except ValueError:
        pass
    every = pages(client, "/v1/libraries")["data"]
    found = [library for library in every if library["name"] == named]
    if len(found) == 1:
        return checked(found[0])
    if found:
        ids = ", ".join(library["id"] for library in found[:_SHOWN])
        raise Failure(f"there are {len(found)} libraries of the name {named!r}; name one by its id: {ids}")
    names = ", ".join(repr(library["name"]) for library in every[:_SHOWN])
    there = f"there is {names}{', ...' if len(every) > _SHOWN else ''}" if every else "there is none yet"
    raise Failure(f"there is no library {named[:60]!r}; {there} (library_not_found)")


def find_run(client: Client, library: View, run_id: str | None) -> View:
    """A run by its id; the last one unless an id is given.

    Raises:
        Failure: there is none.
    """
    runs = library["links"]["runs"]
    if run_id is None:
        last = client.call("GET", f"{path_of(runs)}?limit=1")["data"]
        if not last:
            raise Failure(f"{library['name']!r} has no run yet; `tagline library run` starts one")
        return checked(last[0])
    try:
        return checked(client.call("GET", f"{path_of(runs)}/{UUID(run_id.strip())}"))
    except ValueError:
        raise Failure(f"{run_id[:60]!r} is no id of a run; `tagline library runs` lists them (run_not_found)") from None


def path_of(link: str) -> str:
    """The path of a link that an answer gave: the server may call itself something else than we do."""
    return "/v1/" + link.partition("/v1/")[2]


def pages(client: Client, path: str, limit: int | None = None, **query: str | None) -> View:
    """A list, page after page, as one page; up to `limit` entries, or all."""
    given = {name: value for name, value in query.items() if value is not None}
    data: list[Any] = []
    cursor: str | None = None
    while True:
        size = _PAGE if limit is None else min(_PAGE, limit - len(data))
        asked = {**given, "limit": str(size), **({"cursor": cursor} if cursor else {})}
        page = client.call("GET", f"{path}?{urlencode(asked)}")
        data += page["data"]
        cursor = page["next_cursor"]
        if cursor is None or (limit is not None and len(data) >= limit):
            return {"data": data, "next_cursor": cursor}


def make(client: Client, path: str, fields: View) -> View:
    """POST that makes something; a try whose answer was lost makes no second one."""
    headers = {"Content-Type": JSON, "Idempotency-Key": secrets.token_hex(16)}
    return checked(client.call("POST", path, body=json.dumps(fields).encode(), headers=headers))


def checked(answer: Any) -> View:
    """An answer that should be a library or a run.

    Raises:
        Unreachable: it is none, so the server is not Tagline.
    """
    if not isinstance(answer, dict) or not {"id", "links"} <= answer.keys():
        raise Unreachable("what answers is not Tagline; is TAGLINE_URL right?", transient=False)
    return answer
