"""The forms of libraries: what was filled in, as the fields that the API takes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from flask import request

from api.pages.frame.offers import IMAGE_TASKS
from core.errors import RequestError
from jobs.fields import read_fields
from libraries.library_fields import LibraryFields, LibraryPatch, RunFields

SOURCES = ("folder", "s3_prefix", "manifest_url")
NIGHTLY = re.compile(r"(\d{1,2}) (\d{1,2}) \* \* \*")
CLOCK = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)(?::\d\d)?")


def new_library() -> LibraryFields:
    """The library that the form makes.

    Raises:
        RequestError: a field is wrong.
    """
    given = {**_common(), "source": _source(), "webhook": _webhook()}
    return read_fields(LibraryFields, given)


def library_patch(known: Mapping[str, Any]) -> LibraryPatch:
    """What the settings form changes; what it leaves alone is not named, so that nothing is judged again for nothing.

    Args:
        known: the library as the API shows it.

    Raises:
        RequestError: a field is wrong.
    """
    given = _common()
    models = {task: name for task, name in given["models"].items() if task in given["tasks"]}
    given["models"] = {**_others(known["models"], given["tasks"]), **models}
    given["options"] = _merged(known["options"], given["options"], given["tasks"])
    source = _source()
    if source is not None:
        given["source"] = source
    webhook = _webhook()
    if webhook is None or webhook["secret"] or webhook != {"url": (known["webhook"] or {}).get("url"), "secret": None}:
        given["webhook"] = webhook
    changed = {name: value for name, value in given.items() if name not in known or known[name] != value}
    return read_fields(LibraryPatch, changed)


def run_fields() -> RunFields:
    """The run that the form starts.

    Raises:
        RequestError: a field is wrong.
    """
    form = request.form
    limit = form.get("limit", "").strip()
    if limit and not (limit.isascii() and limit.isdigit() and len(limit) < 10):
        raise RequestError("field_invalid", "The number of photos is a whole number.", where="limit")
    given = {
        "what": form.get("what") or "changed",
        "dry_run": "dry_run" in form,
        "force": "force" in form,
        "limit": int(limit) if limit else None,
    }
    return read_fields(RunFields, given)


def schedule_form(schedule: Mapping[str, Any] | None) -> dict[str, str]:
    """A schedule as the form shows it: a time of the night where it is one, else the expression."""
    if schedule is None:
        return {"when": "never", "time": "02:00", "cron": "", "timezone": "", "window": ""}
    found = NIGHTLY.fullmatch(schedule["cron"])
    time = f"{int(found[2]):02}:{int(found[1]):02}" if found else "02:00"
    return {
        "when": "nightly" if found else "cron", "time": time, "cron": "" if found else schedule["cron"],
        "timezone": schedule.get("timezone") or "", "window": schedule.get("window") or "",
    }  # fmt: skip


def _common() -> dict[str, Any]:
    form = request.form
    tasks = [task for task in IMAGE_TASKS if task in form.getlist("task")]
    if not tasks:
        raise RequestError("field_missing", "Tick at least one of caption, tags and classes.", where="task")
    return {
        "name": form.get("name", "").strip(),
        "tasks": tasks,
        "options": _options(tasks),
        "models": {task: form[f"model_{task}"] for task in tasks if form.get(f"model_{task}")},
        "schedule": _schedule(),
        "write": "sidecar" if "write" in form else "none",
        "write_threshold": _threshold(form.get("write_threshold", "0.5")),
    }


def _options(tasks: list[str]) -> dict[str, Any]:
    vocabulary = request.form.get("vocabulary", "")
    return {"tag": {"vocabulary": vocabulary}} if "tag" in tasks and vocabulary else {}


def _merged(known: Mapping[str, Any], given: Mapping[str, Any], tasks: list[str]) -> dict[str, Any]:
    """Options that the form does not show stay as they are."""
    merged = {task: {**known.get(task, {}), **given.get(task, {})} for task in tasks}
    return {task: options for task, options in merged.items() if options}


def _others(known: Mapping[str, str], tasks: list[str]) -> dict[str, str]:
    """Models that the form could not show, for it shows those that are installed."""
    shown = {task for task in IMAGE_TASKS if f"model_{task}" in request.form}
    return {task: name for task, name in known.items() if task in tasks and task not in shown}


def _source() -> dict[str, str] | None:
    kind, place = request.form.get("source", ""), request.form.get("place", "").strip()
    if kind not in SOURCES:
        return None
    if not place:
        raise RequestError("field_missing", "Say where the photos are.", where="place")
    return {kind: place}


def _webhook() -> dict[str, Any] | None:
    url = request.form.get("webhook_url", "").strip()
    return {"url": url, "secret": request.form.get("webhook_secret", "").strip() or None} if url else None


def _schedule() -> dict[str, Any] | None:
    form = request.form
    when = form.get("when", "never")
    if when == "nightly":
        found = CLOCK.fullmatch(form.get("time", "").strip())
        if found is None:
            raise RequestError("cron_invalid", "Write a time as 02:00.", where="time")
        cron = f"{int(found[2])} {int(found[1])} * * *"
    elif when == "cron":
        cron = form.get("cron", "").strip()
    else:
        return None
    others = {name: form.get(name, "").strip() or None for name in ("timezone", "window")}
    return {"cron": cron, **others}


def _threshold(text: str) -> float:
    try:
        return float(text.strip().replace(",", "."))
    except ValueError:
        raise RequestError("field_invalid", "A number from 0 to 1.", where="write_threshold") from None
