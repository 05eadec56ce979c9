"""Models as clients and people see them: what is installed, what is broken and why, which serves and which is warm."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from api.services import Services
from core.artefacts.catalogue import Installed
from core.artefacts.manifest import Label, Manifest, read_labels
from core.artefacts.variants import F32
from core.errors import ArtefactError


def list_models(services: Services) -> tuple[list[dict[str, Any]], list[dict[str, str]]]:
    """The models that can be used, and the folders that hold none, with the reason."""
    warm = services.warm_models()
    usable: list[dict[str, Any]] = []
    broken: list[dict[str, str]] = []
    for entry in services.catalogue.entries():
        try:
            usable.append(model_view(services, *described(entry), warm))
        except ArtefactError as error:
            broken.append({"folder": entry.folder.name, "code": error.code, "reason": error.message})
    return usable, broken


def described(entry: Installed) -> tuple[Manifest, tuple[Label, ...]]:
    """What an artefact says of itself.

    Raises:
        ArtefactError: it is broken.
    """
    if entry.manifest is None:
        raise entry.error or ArtefactError("manifest_missing", "It has no manifest.")
    return entry.manifest, read_labels(entry.folder, entry.manifest)


def default_model(services: Services, task: str, warm: Sequence[str]) -> str | None:
    """NAME@VERSION that a job is promised now unless it names another."""
    try:
        manifest = services.catalogue.resolve(task, None, warm).manifest
    except ArtefactError:
        return None
    return manifest.id if manifest else None


def model_view(
    services: Services, manifest: Manifest, labels: tuple[Label, ...], warm: Sequence[str]
) -> dict[str, Any]:
    """One model."""
    shown = {"name", "version", "task", "kind", "summary", "licence", "source", "bytes", "settings"}
    plain = manifest.model_dump(include=shown)
    return {
        "id": manifest.id,
        **plain,
        "default": default_model(services, manifest.task, warm) == manifest.id,
        "warm": manifest.id in warm,
        "encoders": dict(manifest.encoders),
        "label_count": len(labels),
        "metrics": [metric.model_dump() for metric in manifest.metrics],
        "setups": [{**asdict(runs.setup), "chosen": runs.chosen} for runs in services.running_setups(manifest)],
        "variants": _variants(services, manifest, manifest.id in warm),
    }


def _variants(services: Services, manifest: Manifest, warm: bool) -> list[dict[str, Any]]:
    """f32, those of the manifest, and whatever else live workers run it in: an export that lies on their machine."""
    announced = services.running_variants().get(manifest.id, frozenset())
    running = announced or ({F32} if warm and not manifest.variants else frozenset())
    plain: dict[str, Any] = {"name": F32, "running": F32 in running, "default_on": [], "metrics": []}
    listed = [
        {**one.model_dump(include={"name", "default_on", "metrics"}), "running": one.name in running}
        for one in manifest.variants
    ]
    known = {F32, *(one.name for one in manifest.variants)}
    others = [{**plain, "name": name, "running": True} for name in sorted(running - known)]
    return [plain, *listed, *others]
