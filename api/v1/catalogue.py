"""What can be asked for: tasks, and the models that do them."""

from __future__ import annotations

from flask import Blueprint, Response

from api.document.operations import Answer, Operation, describe
from api.document.schemas import ModelDetail, ModelList, TaskList
from api.http.answers import answer
from api.services import services
from api.v1.model_views import default_model, described, list_models, model_view
from core.errors import NotFound
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
            "default_model": default_model(services(), spec.name, warm),
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
    usable, broken = list_models(services())
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
            manifest, labels = described(entry)
            listed = [{"key": label.key, "name": label.name} for label in labels]
            view = model_view(services(), manifest, labels, services().warm_models())
            return answer({**view, "labels": listed})
    raise NotFound("model_not_found", f"There is no model {name[:100]!r}; GET /v1/models lists them.")
