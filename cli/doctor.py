"""`tagline doctor`: what this machine is, and in what precision a worker runs each model on it."""

from __future__ import annotations

from pathlib import Path

import click

from cli.config import read_settings
from cli.terminal import say
from core.artefacts.catalogue import Catalogue
from core.artefacts.manifest import Manifest
from core.artefacts.variants import F32
from core.calibration.found_file import CalibrationRoom, Found
from core.calibration.setups import RunsAs, Setup, calibration_key, runs_as
from core.processor import Processor, this_processor
from core.settings import Settings

# Of the many features of a processor those that precision is chosen by.
TELLING = ("amx_bf16", "amx_int8", "avx512_bf16", "avx512_vnni", "avx_vnni", "avx512f", "avx2")


@click.command("doctor")
@click.option("--models", type=click.Path(file_okay=False, path_type=Path), help="Models.  [TAGLINE_MODELS_DIR]")
def doctor(models: Path | None) -> None:
    """Say what this machine runs, and how.

    A worker that starts now takes the same choice; where it runs a model on a GPU, or a variant's files are damaged, it
    takes f32, and its log says so.
    """
    settings = read_settings(models_dir=models)
    for line in report(settings, this_processor()):
        say(line)


def report(settings: Settings, processor: Processor) -> list[str]:
    """The lines that the command prints."""
    features = [name for name in TELLING if name in processor.features]
    rows = [
        (
            "processor",
            f"{processor.model or 'unknown'} ({', '.join(features) or 'nothing that precision is chosen by'})",
        ),
        ("runtime", settings.runtime),
        ("precision", settings.precision),
    ]
    room = CalibrationRoom(settings.data_dir)
    kept, fault = room.read_or_nothing()
    if fault:
        rows.append(("measured", f"{room.file} is ignored: {fault}"))
    for entry in Catalogue(settings.models_dir).entries():
        if entry.manifest is None:
            rows.append((entry.folder.name, f"cannot be used: {entry.error}"))
        else:
            found = kept.found.get(calibration_key(entry.manifest, settings, processor))
            rows.append((entry.manifest.id, _precision(entry.manifest, settings, processor, found)))
    width = max(len(name) for name, _ in rows)
    return [f"{name:{width}}  {text}" for name, text in rows]


def _precision(manifest: Manifest, settings: Settings, processor: Processor, found: Found | None) -> str:
    plain = RunsAs(Setup(F32, settings.batch_size), "default")
    runs = plain if settings.runtime == "tensorflow" else runs_as(manifest, settings, processor, found)
    chosen = runs.setup.variant
    others = [name for name in (F32, *(variant.name for variant in manifest.variants)) if name != chosen]
    said = f"{chosen} (also there: {', '.join(others)})" if others else chosen
    return f"{said}; {_measured(found)}" if found and runs.chosen == "measured" else said


def _measured(found: Found) -> str:
    rates = ", ".join(f"{name} {rate:g}/s" for name, rate in found.rates.items())
    return f"measured: {rates}; batches of {found.batch_size}, {found.streams} at a time ({found.measured_at})"
