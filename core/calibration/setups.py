"""How a model is run: its variant, its batches and its streams; and which of that is found by measuring.

What is found holds for one machine and one artefact. So it is kept by a key made of all that it depends on, and
whatever was found under other circumstances is not found again.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Literal

from core.artefacts.manifest import Manifest
from core.artefacts.variants import AUTO, F32, choose_variant, keeps_its_numbers, usable_variants
from core.calibration.found_file import Found
from core.processor import Processor
from core.settings import Settings

Chosen = Literal["default", "measured", "pinned"]
OWN = 0  # streams: as many as the runtime takes by itself


@dataclass(frozen=True, slots=True)
class Setup:
    """How a model is run.

    Attributes:
        variant: its name.
        batch_size: most items in a batch.
        streams: batches in flight at a time; `OWN`: the runtime's own number.
    """

    variant: str
    batch_size: int
    streams: int = OWN


@dataclass(frozen=True, slots=True)
class RunsAs:
    """A setup, and by what it was chosen: by default, by measuring, or (its variant) by a setting."""

    setup: Setup
    chosen: Chosen


def default_setup(manifest: Manifest, settings: Settings, features: frozenset[str]) -> Setup:
    """How a model runs on a processor on which nothing was measured."""
    return Setup(choose_variant(manifest, settings.precision, features).name, settings.batch_size)


def runs_as(manifest: Manifest, settings: Settings, processor: Processor, found: Found | None) -> RunsAs:
    """How a model runs: as it was found to run best, as far as that is allowed, else by default.

    Args:
        found: what the file says under the model's key; nothing where the settings turn measuring off. A batch above
            the setting's, or a variant that is not to be tried here, is nobody's measurement: then all of it is left.
    """
    default = default_setup(manifest, settings, processor.features)
    chosen: Chosen = "default" if settings.precision == AUTO else "pinned"
    fits = (
        found is not None
        and settings.calibrate
        and found.variant in variants_to_try(manifest, settings.precision, processor.features)
        and found.batch_size <= settings.batch_size
        and found.streams <= most_streams(processor)
    )
    if found is None or not fits:
        return RunsAs(default, chosen)
    return RunsAs(Setup(found.variant, found.batch_size, found.streams), "measured")


def variants_to_try(manifest: Manifest, precision: str, features: frozenset[str]) -> tuple[str, ...]:
    """The variants among which measuring may choose, "f32" first.

    Args:
        manifest: of the model. Of its other variants those whose own metrics stand in it: that they are fast says
            nothing of what they lose. And the one that is the default here.
        precision: of the settings; a variant that is pinned is the only one.
        features: of the processor.
    """
    default = choose_variant(manifest, precision, features).name
    if precision != AUTO:
        return (default,)
    measured = [
        variant.name
        for variant in usable_variants(manifest, features)
        if variant.metrics and keeps_its_numbers(variant, features)
    ]
    return tuple(dict.fromkeys([F32, *measured, default]))


def most_streams(processor: Processor) -> int:
    """No more batches than this run at a time."""
    return max(1, processor.cores)


def calibration_key(manifest: Manifest, settings: Settings, processor: Processor) -> str:
    """What a measurement of a model is kept by: the artefact and its hashes, the processor, and what else matters."""
    depends = {
        "artefact": manifest.model_dump(mode="json"),  # the hashes of its files, and of its variants', among it
        "processor": {**asdict(processor), "features": sorted(processor.features)},
        "precision": settings.precision,
        "batch_size": settings.batch_size,
        "runtime": _runtime_version(),
    }
    return hashlib.sha256(json.dumps(depends, sort_keys=True).encode()).hexdigest()


def _runtime_version() -> str:
    try:
        return version("openvino")
    except PackageNotFoundError:
        return ""
