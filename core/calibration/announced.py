"""How a worker tells the API in which setup it runs an encoder: a line among the models that it says are warm."""

from __future__ import annotations

import re
from typing import cast

from core.calibration.setups import Chosen, RunsAs, Setup

# Three bars behind the model: whoever reads variants alone, which have one, meets a variant that there is not.
_LINE = re.compile(r"([^/]+)/([a-z0-9-]{1,20})/(\d{1,6})/(\d{1,6})/(default|measured|pinned)")


def announce(model_id: str, runs: RunsAs, streams: int) -> str:
    """The line for a model; `streams` is the number that the runtime took."""
    setup = runs.setup
    return f"{model_id}/{setup.variant}/{setup.batch_size}/{streams}/{runs.chosen}"


def read_announced(line: str) -> tuple[str, RunsAs] | None:
    """NAME@VERSION and how it runs; None of a line that says something else."""
    found = _LINE.fullmatch(line)
    if found is None:
        return None
    model_id, variant, batch_size, streams, chosen = found.groups()
    return model_id, RunsAs(Setup(variant, int(batch_size), int(streams)), cast(Chosen, chosen))
