"""Models: what is installed, how good it is, which is used, and what its makers say of it."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import Any

from flask import Response

from api.pages.about.card_html import MOST_CHARACTERS, card_html
from api.pages.frame.page import PageBlueprint, page
from api.services import services
from api.v1.model_views import described, list_models, model_view
from core.artefacts.catalogue import Installed
from core.errors import NotFound
from db.workers import warm_by_worker

blueprint = PageBlueprint("models_page")
CARD = "README.md"


@dataclass(frozen=True, slots=True)
class Bar:
    """A metric as a bar: ends in percent of its width, values as text."""

    name: str
    value: str
    interval: str
    source: str
    end: float
    low: float | None
    high: float | None


@blueprint.get("/models")
def show() -> Response:
    usable, broken = list_models(services())
    with services().database.read() as session:
        workers = warm_by_worker(session)
    shown = [_shown(view, workers) for view in usable]
    versions = [list(group) for _, group in groupby(shown, key=lambda view: view["name"])]
    versions.sort(key=lambda group: (group[0]["task"], group[0]["name"]))
    return page("models/page.html", groups=versions, broken=broken, workers=len(workers))


@blueprint.get("/models/<name>")
def card(name: str) -> Response:
    """One model and its card: the newest version, or the one of NAME@VERSION."""
    for entry in services().catalogue.entries():
        if entry.manifest and name in (entry.manifest.name, entry.manifest.id):
            view = model_view(services(), *described(entry), services().warm_models())
            with services().database.read() as session:
                shown = _shown(view, warm_by_worker(session))
            return page("models/card.html", model=shown, card=card_html(_card(entry)))
    raise NotFound("model_not_found", f"There is no model {name[:100]!r}.")


def _shown(view: dict[str, Any], workers: dict[str, tuple[str, ...]]) -> dict[str, Any]:
    warm_on = [name for name, models in workers.items() if view["id"] in models]
    return {**view, "bars": [_bar(metric) for metric in view["metrics"]], "warm_on": warm_on}


def _bar(metric: dict[str, Any]) -> Bar:
    """Most metrics are parts of 1; one that is more is the whole width."""
    low, high = metric["low"], metric["high"]
    whole = max(1.0, metric["value"], high or 0.0)
    place = [None if end is None else round(max(0.0, end) / whole * 100, 2) for end in (metric["value"], low, high)]
    interval = "" if low is None or high is None else f"{low:.3f} to {high:.3f}"
    name = metric["name"].replace("_", " ")
    return Bar(name, f"{metric['value']:.3f}", interval, metric["source"], place[0] or 0.0, place[1], place[2])


def _card(entry: Installed) -> str:
    """What stands in a model's card; empty if it has none that can be read."""
    try:
        with (entry.folder / CARD).open(encoding="utf-8", errors="replace") as file:
            return file.read(MOST_CHARACTERS)
    except OSError:
        return ""
