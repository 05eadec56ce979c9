"""How the service is: what is wrong, who works, what waits, how much is finished, how much room there is."""

from __future__ import annotations

from flask import Response

from api.pages.about.system_alarms import system_alarms
from api.pages.about.system_counters import measured
from api.pages.about.system_state import system_state
from api.pages.frame.page import PageBlueprint, page
from api.services import services
from core.version import VERSION

blueprint = PageBlueprint("system_page")
CHART_HEIGHT = 60


@blueprint.get("/system")
def show() -> Response:
    state = system_state(services())
    return page(
        "system/page.html",
        state=state,
        alarms=system_alarms(state),
        most=max(minute.succeeded + minute.failed for minute in state.minutes),
        height=CHART_HEIGHT,
        measured=measured(services().metrics.render()),
        version=VERSION,
    )
