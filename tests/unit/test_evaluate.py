"""Evaluation: every artefact's task is measured by somebody, and a boast in a value or in an interval is found."""

from __future__ import annotations

import pytest

pytest.importorskip("keras")

from core.artefacts.manifest import Metric
from core.tasks import TASKS
from training.evaluate import measure_of, overstates
from training.tasks import tasks

FOUND = Metric(name="accuracy", value=0.9, source="measured", low=0.88, high=0.92)
ERROR = Metric(name="imdb_calibration_error", value=0.02, source="measured")


def test_every_task_is_measured() -> None:
    measured = {task.ARTEFACT_TASK for task in tasks()}
    assert set(TASKS) <= measured
    for task in measured:
        assert callable(measure_of(task))


@pytest.mark.parametrize(
    ("claim", "boasts"),
    [
        ({}, False),
        ({"value": 0.9004}, False),
        ({"value": 0.901}, True),
        ({"value": 0.88, "low": 0.86, "high": 0.9}, False),
        ({"low": 0.885}, True),
        ({"high": 0.925}, True),
        ({"low": None, "high": None}, True),
        ({"low": 0.875, "high": 0.9105}, True),
        ({"low": 0.87, "high": 0.92}, False),
    ],
)
def test_boasts(claim: dict[str, float | None], boasts: bool) -> None:
    assert overstates(FOUND.model_copy(update=claim), FOUND) == boasts


def test_of_an_error_less_is_a_boast() -> None:
    assert overstates(ERROR.model_copy(update={"value": 0.01}), ERROR)
    assert not overstates(ERROR.model_copy(update={"value": 0.03}), ERROR)
