"""What `tagline doctor` asks where there is a card, as JSON: it takes loading the runtimes, which the command cannot.

python -m worker.models.on_card
"""

from __future__ import annotations

import json
from typing import Any

from core.artefacts.catalogue import Catalogue
from core.settings import Settings, load_settings
from worker.models.load import variant_for
from worker.runtimes.choose import runtime_of
from worker.runtimes.seen import keeps_from_card


def on_card(settings: Settings) -> dict[str, Any]:
    """What keeps each runtime from a card, as of `keeps_from_card`, and what a worker here runs each model by.

    Returns:
        {"missing": {PACKAGE: reason or None}, "models": {NAME@VERSION: {"runtime", "variant"}}}.
    """
    models = {}
    for entry in Catalogue(settings.models_dir).entries():
        if entry.manifest is not None:
            runtime = runtime_of(entry.folder / entry.manifest.graph, settings.runtime)
            variant = variant_for(entry.folder, entry.manifest, settings).name
            models[entry.manifest.id] = {"runtime": runtime, "variant": variant}
    return {"missing": keeps_from_card(), "models": models}


if __name__ == "__main__":
    print(json.dumps(on_card(load_settings())))  # noqa: T201
