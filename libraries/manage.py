"""Making, changing and giving up libraries. None of it starts a run.

All functions take the session of a transaction that writes, and answer with the library's row; see `libraries.views`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from core.artefacts.catalogue import Catalogue
from core.errors import Conflict, RequestError
from core.settings import Settings
from db.clock import current_ms
from db.engine import Session
from db.libraries import (
    add_library,
    change_library,
    count_libraries,
    find_library,
    hide_library,
    libraries_that_write,
)
from db.library_runs import unfinished_run
from db.library_tables import Library
from jobs.storable import check_text
from libraries.checks import check_schedule, check_source, check_work
from libraries.library_fields import LibraryFields, LibraryPatch
from libraries.runs import stop_run
from libraries.schedule import Schedule

WORK = ("tasks", "options", "models", "webhook")


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What fields are checked against.

    Attributes:
        warm: NAME@VERSION of the models that live workers have warm.
        base_url: where the client reaches the API, for the links in webhooks.
    """

    settings: Settings
    catalogue: Catalogue
    warm: Sequence[str]
    base_url: str = ""


def create_library(session: Session, tenant_id: str, fields: LibraryFields, around: Surroundings) -> Library:
    """Make a library.

    Raises:
        RequestError: a field is wrong, with a JSON pointer; `too_many_libraries`.
        Conflict: `sidecars_contested`, another library writes sidecars into this place.
    """
    most = around.settings.libraries_max
    if count_libraries(session, tenant_id) >= most:
        raise RequestError("too_many_libraries", f"There are {most} libraries already; delete one.")
    values = _columns(session, fields.model_dump(), around)
    _check_writing(session, None, values["write"], values["source"])
    return add_library(session, tenant_id, {**values, "base_url": around.base_url})


def patch_library(
    session: Session, tenant_id: str, library_id: str, fields: LibraryPatch, around: Surroundings
) -> Library:
    """Replace the fields that are named, each whole; raises as `create_library` and `find_library`.

    Options and models of tasks that are no longer asked for go with them, unless these are named too.
    """
    library = find_library(session, tenant_id, library_id, lock=True)
    named = fields.named()
    before = {name: getattr(library, name) for name in ("name", "source", "tasks", "options", "models", "schedule")}
    before |= {"write": library.write, "write_threshold": library.write_threshold, "webhook": _webhook(library)}
    merged = {**before, **named}
    for field in ("options", "models"):
        if field not in named:
            merged[field] = {task: value for task, value in merged[field].items() if task in merged["tasks"]}
    if "source" not in named:
        merged["source"] = None  # what stands is not judged again: a disk may be away
    values = _columns(session, merged, around)
    if "source" not in named:
        values["source"] = library.source
    if "schedule" not in named:
        values["next_due_at"] = library.next_due_at
    _check_writing(session, library, values["write"], values["source"])
    change_library(session, library, values)
    return library


def delete_library(session: Session, tenant_id: str, library_id: str) -> None:
    """Give a library up and end its run. Everything known of it goes soon after; no photo and no sidecar does."""
    library = find_library(session, tenant_id, library_id, lock=True)
    hide_library(session, library)
    run = unfinished_run(session, library.number, lock=True)
    if run is not None:
        stop_run(session, run)


def _columns(session: Session, given: Mapping[str, Any], around: Surroundings) -> dict[str, Any]:
    check_text(given["name"], "/name")
    check_work({name: given[name] for name in WORK}, around.catalogue, around.warm)
    schedule = check_schedule(given["schedule"])
    webhook = given["webhook"] or {}
    return {
        "name": given["name"],
        "source": check_source(given["source"], around.settings),
        "tasks": given["tasks"],
        "options": given["options"],
        "models": given["models"],
        "schedule": schedule,
        "next_due_at": Schedule.parse(schedule).next_after(current_ms(session)) if schedule else None,
        "webhook_url": webhook.get("url"),
        "webhook_secret": webhook.get("secret"),
        "write": given["write"],
        "write_threshold": given["write_threshold"],
    }


def _webhook(library: Library) -> dict[str, Any] | None:
    if library.webhook_url is None:
        return None
    return {"url": library.webhook_url, "secret": library.webhook_secret}


def _check_writing(session: Session, own: Library | None, write: str, source: Mapping[str, Any] | None) -> None:
    """Refuse what two libraries would write into one place: each would take the other's labels for a person's."""
    if write == "none":
        return
    if source is not None and not ({"folder", "s3_prefix"} & source.keys()):
        message = "Sidecars lie beside the photos of a folder or an S3 prefix; a manifest's have no such place."
        raise RequestError("write_impossible", message, where="/write")
    mine = _place(source)
    for other in libraries_that_write(session):
        theirs = _place(other.source)
        contested = mine and theirs and (mine.startswith(theirs) or theirs.startswith(mine))
        if contested and (own is None or other.number != own.number):
            message = "Another library writes sidecars into this place or a part of it; only one may."
            raise Conflict("sidecars_contested", message, where="/write")


def _place(source: Mapping[str, Any] | None) -> str | None:
    """Where sidecars of a source lie, so that one place within another begins with it."""
    if not source:
        return None
    if "folder" in source:
        return str(os.path.realpath(source["folder"])).rstrip("/") + "/"
    prefix: str = source.get("s3_prefix") or ""
    return prefix or None
