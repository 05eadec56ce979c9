"""The forms of the first page: what was filled in, as the body of a submission."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from flask import request
from werkzeug.datastructures import FileStorage

from api.pages.frame.offers import IMAGE_TASKS, TEXT_TASKS
from api.services import Services
from api.submission.keep_upload import keep_upload
from core.errors import RequestError

MOST_PHOTOS = 100
CANDIDATES = 3
CLASSES = 5
JOB_NAME = "from the page Try"


def photo_job(services: Services, tenant_id: str) -> dict[str, Any]:
    """The job that the photo form asks for; the photos that came with it are stored.

    Raises:
        RequestError: nothing was given, or something that cannot be used.
    """
    form = request.form
    tasks = [name for name in IMAGE_TASKS if name in form.getlist("task")]
    if not tasks:
        raise RequestError("field_missing", "Tick at least one of caption, tags and classes.", where="task")
    files = [file for file in request.files.getlist("files") if file.filename]
    places = [line.strip() for line in form.get("urls", "").splitlines() if line.strip()]
    if not files and not places:
        raise RequestError("inputs_empty", "Choose photos, or paste the addresses of some.", where="files")
    if len(files) + len(places) > MOST_PHOTOS:
        message = f"This page takes {MOST_PHOTOS} photos at a time; `tagline submit` takes any number."
        raise RequestError("too_many_inputs", message, where="urls")
    options = {"caption": {"candidates": CANDIDATES}, "tag": _tag_options(), "classify": {"top_k": CLASSES}}
    inputs = [*_uploads(services, tenant_id, files), *places]
    return _job(tasks, inputs, {task: options[task] for task in tasks})


def text_job() -> dict[str, Any]:
    """The job that one of the text forms asks for.

    Raises:
        RequestError: as `photo_job`.
    """
    task, text = request.form.get("task", ""), request.form.get("text", "")
    if task not in TEXT_TASKS:
        raise RequestError("unknown_task", f"One of {', '.join(TEXT_TASKS)}.", where="task")
    if not text.strip():
        raise RequestError("inputs_empty", "Write a text.", where="text")
    return _job([task], [{"text": text}], {})


def _job(tasks: list[str], inputs: list[Any], options: dict[str, Any]) -> dict[str, Any]:
    models = {task: request.form[f"model_{task}"] for task in tasks if request.form.get(f"model_{task}")}
    job = {"tasks": tasks, "inputs": inputs, "options": options, "models": models}
    return {**job, "priority": "interactive", "name": JOB_NAME}


def _tag_options() -> dict[str, Any]:
    top_k = request.form.get("top_k", "20")
    if not (top_k.isascii() and top_k.isdigit() and len(top_k) < 10):
        raise RequestError("option_invalid", "The number of labels is a whole number.", where="top_k")
    vocabulary: str | list[str] = request.form.get("vocabulary", "photos")
    if vocabulary == "own":
        lines = request.form.get("own_words", "").replace(",", "\n").splitlines()
        vocabulary = [line.strip() for line in lines if line.strip()]
        if not vocabulary:
            raise RequestError("option_invalid", "Write some words of your own, one a line.", where="own_words")
    return {"top_k": int(top_k), "vocabulary": vocabulary}


def _uploads(services: Services, tenant_id: str, files: Iterable[FileStorage]) -> list[dict[str, str]]:
    """Inputs that name the files, which are kept; each goes by the name of its file."""
    limit = services.settings.max_upload_bytes
    found = []
    for file in files:
        name = "".join(sign for sign in (file.filename or "") if sign.isprintable())[-200:] or "photo"
        data = file.stream.read(limit + 1)
        if len(data) > limit:
            raise RequestError("upload_too_large", f"{name} has more than {limit:,} bytes.", where="files")
        try:
            found.append({"id": name, "upload": keep_upload(services, tenant_id, data, where="files")["id"]})
        except RequestError as error:
            raise RequestError(error.code, f"{name}: {error.message}", where="files") from None
    return found
