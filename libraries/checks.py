"""From the fields of a library to its columns: everything that can be checked before anything is listed."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from core.artefacts.catalogue import Catalogue
from core.errors import ItemError, RequestError
from core.folders.roots import FolderRoots
from core.outbound.s3.uri import parse_s3_uri
from core.outbound.url_policy import check_url
from core.settings import Settings
from core.tasks import TASKS
from jobs.fields import JobFields, read_fields
from jobs.storable import check_storable
from jobs.validate import plan_job
from libraries.schedule import Schedule

KINDS = ("s3_prefix", "folder", "manifest_url")


def check_work(given: Mapping[str, Any], catalogue: Catalogue, warm: Sequence[str]) -> dict[str, str]:
    """Check tasks, options, models and webhook, as those of a job; returns NAME@VERSION by task.

    Raises:
        RequestError: with a JSON pointer; `tasks_mixed` for tasks that do not take photos.
    """
    plan = plan_job(read_fields(JobFields, dict(given)), catalogue, warm, tenant_id="")
    if plan.medium != "image":
        raise RequestError("tasks_mixed", "A library holds photos; ask for image tasks.", where="/tasks")
    return plan.models


def filled_options(tasks: Sequence[str], options: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The options of each task with their defaults; they were checked when the library was made."""
    return {task: TASKS[task].parse_options(options.get(task) or {}, f"/options/{task}") for task in tasks}


def check_source(given: Mapping[str, Any] | None, settings: Settings) -> dict[str, Any] | None:
    """A library's source as it is stored: one of the kinds, and nothing else.

    Raises:
        RequestError: `source_invalid`, `folder_not_allowed`, `folder_not_found`, or what is wrong with the URI.
    """
    if given is None:
        return None
    named = {kind: value for kind, value in given.items() if value is not None}
    if len(named) != 1:
        message = f"Name one source: {', '.join(KINDS)}."
        raise RequestError("source_invalid", message, where="/source")
    [(kind, value)] = named.items()
    where = f"/source/{kind}"
    check_storable(value, where)
    try:
        return {kind: _checked(kind, value, settings)}
    except ItemError as error:
        raise RequestError(
            error.code, f"{error.message[:1].upper()}{error.message[1:].rstrip('.')}.", where=where
        ) from None


def _checked(kind: str, value: str, settings: Settings) -> str:
    if kind == "folder":
        return _folder(value, settings)
    if kind == "manifest_url":
        try:
            check_url(value)
        except ItemError as error:
            raise ItemError("manifest_url_invalid", error.message) from error
        return value
    bucket, _ = parse_s3_uri(value, prefix=True)
    if settings.s3_buckets and bucket not in settings.s3_buckets:
        raise ItemError("s3_access_denied", f"photos may not come from the bucket {bucket} (TAGLINE_S3_BUCKETS)")
    return value


def _folder(path: str, settings: Settings) -> str:
    """A folder below the roots; that it is there is asked only where its root is: the API may be another machine."""
    place = FolderRoots.of(settings).locate(path)
    if os.path.isdir(place.root) and not os.path.isdir(place.path):
        raise ItemError("folder_not_found", "there is no such folder")
    return path


def check_schedule(given: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """A schedule as it is stored; raises as `Schedule.parse`."""
    if given is None:
        return None
    Schedule.parse(given)
    return {"cron": given["cron"], "timezone": given.get("timezone"), "window": given.get("window")}
