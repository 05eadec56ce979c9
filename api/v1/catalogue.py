"""What can be asked for: tasks, and the models that do them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask import Blueprint, Response

from api.document.operations import Answer, Operation, describe
from api.document.schemas import ModelDetail, ModelList, TaskList
from api.http.answers import answer
from api.services import services
from core.artefacts.catalogue import Installed
from core.artefacts.manifest import Label, Manifest, read_labels
from core.errors import ArtefactError, NotFound
from core.tasks import TASKS

blueprint = Blueprint("catalogue", __name__)


@blueprint.get("/v1/tasks")
@describe(Operation("List the tasks", "catalogue", {200: Answer("Every task and its options.", TaskList)}))
def tasks() -> Response:
    warm = services().warm_models()
    installed = [entry.manifest for entry in services().catalogue.entries() if entry.manifest]
    found = [
        {
            "name": spec.name,
            "medium": spec.medium,
            "summary": spec.summary,
            "options": spec.options.model_json_schema(),
            "default_model": _default_model(spec.name, warm),
            "models": [manifest.id for manifest in installed if manifest.task == spec.name],
        }
        for spec in TASKS.values()
    ]
    return answer({"data": found})


@blueprint.get("/v1/models")
@describe(
    Operation(
        "List the models",
        "catalogue",
        {200: Answer("Installed models; those that cannot be used stand apart, with the reason.", ModelList)},
    )
)
def models() -> Response:
    entries = services().catalogue.entries()
    warm = services().warm_models()
    usable: list[dict[str, Any]] = []
    broken: list[dict[str, str]] = []
    for entry in entries:
        try:
            usable.append(_model_view(*_described(entry), warm))
        except ArtefactError as error:
            broken.append({"folder": entry.folder.name, "code": error.code, "reason": error.message})
    return answer({"data": usable, "broken": broken})


@blueprint.get("/v1/models/<name>")
@describe(
    Operation(
        "Read about a model, labels included",
        "catalogue",
        {200: Answer("The newest version, or the one of NAME@VERSION.", ModelDetail)},
        problems=("model_not_found",),
    )
)
def model(name: str) -> Response:
    for entry in services().catalogue.entries():
        if entry.manifest and name in (entry.manifest.name, entry.manifest.id):
            manifest, labels = _described(entry)
            listed = [{"key": label.key, "name": label.name} for label in labels]
            return answer({**_model_view(manifest, labels, services().warm_models()), "labels": listed})
    raise NotFound("model_not_found", f"There is no model {name[:100]!r}; GET /v1/models lists them.")


def _described(entry: Installed) -> tuple[Manifest, tuple[Label, ...]]:
    if entry.manifest is None:
        raise entry.error or ArtefactError("manifest_missing", "It has no manifest.")
    return entry.manifest, read_labels(entry.folder, entry.manifest)


def _default_model(task: str, warm: Sequence[str]) -> str | None:
    """NAME@VERSION that a job is promised now unless it names another."""
    try:
        manifest = services().catalogue.resolve(task, None, warm).manifest
    except ArtefactError:
        return None
    return manifest.id if manifest else None


def _model_view(manifest: Manifest, labels: tuple[Label, ...], warm: Sequence[str]) -> dict[str, Any]:
    shown = {"name", "version", "task", "kind", "summary", "licence", "source", "bytes", "settings"}
    plain = manifest.model_dump(include=shown)
    return {
        "id": manifest.id,
        **plain,
        "default": _default_model(manifest.task, warm) == manifest.id,
        "warm": manifest.id in warm,
        "encoders": dict(manifest.encoders),
        "label_count": len(labels),
        "metrics": [metric.model_dump() for metric in manifest.metrics],
    }
