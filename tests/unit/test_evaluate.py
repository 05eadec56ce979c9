"""Evaluation: every artefact's task is measured by somebody, and a boast in a value or in an interval is found."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("keras")

from core.artefacts.manifest import Manifest, Metric, Variant, load_manifest
from core.errors import ArtefactError
from core.settings import MODELS_DIR
from core.tasks import TASKS
from training import evaluate
from training.evaluate import check_variant, measure_of, overstates
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


SHIPPED = MODELS_DIR / "efficientnet-lite2"


@pytest.mark.parametrize("lost", [0.0, 0.01])
def test_a_variant_is_held_to_its_own_numbers(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], lost: float
) -> None:
    """Would fail if only the numbers of single precision were looked at."""
    manifest = load_manifest(SHIPPED, verify=False)
    variant = manifest.variants[0]

    def measure(folder: Path, of: Manifest, data: Path, name: str) -> list[tuple[Metric, None]]:
        assert (folder, of.id, name) == (SHIPPED, manifest.id, variant.name)
        changed = {"first_label_agreement": lost}
        return [
            (one.model_copy(update={"value": one.value - changed.get(one.name, 0.0)}), None) for one in variant.metrics
        ]

    monkeypatch.setattr(evaluate, "measure_variant", measure)
    recomputed, complaints = check_variant(SHIPPED, manifest, variant, Path("data"))
    assert recomputed == len(variant.metrics)
    assert [one.split(" is ")[0] for one in complaints] == (
        [f"{manifest.id}/{variant.name}: first_label_agreement"] if lost else []
    )
    assert ("OVERSTATED" in capsys.readouterr().out) == bool(lost)


@pytest.mark.parametrize(
    ("error", "complaints"),
    [
        (FileNotFoundError("no photos"), 0),
        (ArtefactError("variant_missing", "this processor cannot"), 0),
        (ArtefactError("file_hash", "damaged"), 1),
    ],
)
def test_what_cannot_be_measured_here_is_no_boast(
    monkeypatch: pytest.MonkeyPatch, error: Exception, complaints: int
) -> None:
    def fail(*_: object) -> list[tuple[Metric, None]]:
        raise error

    monkeypatch.setattr(evaluate, "measure_variant", fail)
    manifest = load_manifest(SHIPPED, verify=False)
    variant: Variant = manifest.variants[0]
    recomputed, said = check_variant(SHIPPED, manifest, variant, Path("data"))
    assert (recomputed, len(said)) == (0, complaints)
