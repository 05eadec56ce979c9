"""The text encoder for the commands, see `training.tasks`: it is packaged and measured, not trained."""

from __future__ import annotations

from pathlib import Path

from core.artefacts.manifest import Metric

ARTEFACT_TASK = "embed"


def measure(folder: Path, data: Path) -> list[Metric]:
    """The metrics of an artefact."""
    from training.text_encoder.minilm_measure import measure_text_encoder

    return measure_text_encoder(folder, data)
