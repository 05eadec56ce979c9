"""Pinning models: a job runs with the versions it was accepted with, whatever is installed later."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from core.artefacts.catalogue import Catalogue
from core.errors import ArtefactError, RequestError


def pin_models(
    tasks: Iterable[str], wanted: Mapping[str, str], catalogue: Catalogue, warm: Sequence[str]
) -> dict[str, str]:
    """NAME@VERSION of the model that each task shall use.

    Args:
        tasks: their names.
        wanted: NAME or NAME@VERSION by task; for the others their default is meant.
        catalogue: the models there are.
        warm: those that a live worker has warm; a job is not pinned to a version that no worker has run yet.

    Raises:
        RequestError: `model_unknown` or `model_wrong_task`, with a JSON pointer below /models.
        ArtefactError: the model cannot be used.
    """
    return {task: _pin(task, wanted.get(task), catalogue, warm) for task in tasks}


def _pin(task: str, wanted: str | None, catalogue: Catalogue, warm: Sequence[str]) -> str:
    where = f"/models/{task}"
    if wanted == "":
        raise RequestError("model_unknown", "Name a model, or leave the field out.", where=where)
    try:
        manifest = catalogue.resolve(task, wanted, warm).manifest
    except ArtefactError as error:
        if error.code not in ("model_unknown", "model_wrong_task"):
            raise
        raise RequestError(error.code, f"{error.message}; see GET /v1/models.", where=where) from None
    assert manifest is not None
    return manifest.id
