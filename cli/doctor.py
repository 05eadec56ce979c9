"""`tagline doctor`: what this machine is, and in what precision a worker runs each model on it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import click

from cli.config import read_settings
from cli.terminal import say
from core.artefacts.catalogue import Catalogue, Installed
from core.artefacts.runtimes import given_runtime, processor_runtime
from core.artefacts.variants import F32
from core.calibration.found_file import CalibrationRoom, Found
from core.calibration.setups import calibration_key, runs_as
from core.cards import cards
from core.processor import Processor, this_processor
from core.settings import Settings

# Of the many features of a processor those that precision is chosen by.
TELLING = ("amx_bf16", "amx_int8", "avx512_bf16", "avx512_vnni", "avx_vnni", "avx512f", "avx2")
ASK_S = 120.0  # importing TensorFlow where it is cold takes a while
NO_CARD = "none is seen: models run on the processor"


@click.command("doctor")
@click.option("--models", type=click.Path(file_okay=False, path_type=Path), help="Models.  [TAGLINE_MODELS_DIR]")
def doctor(models: Path | None) -> None:
    """Say what this machine runs, and how.

    A worker that starts now takes the same choice; where a variant's files are damaged, it takes f32, and its log says
    so.
    """
    settings = read_settings(models_dir=models)
    seen = cards()
    for line in report(settings, this_processor(), seen, ask_runtimes(settings) if seen else None):
        say(line)


def report(
    settings: Settings, processor: Processor, seen: list[str] | None = None, told: dict[str, Any] | None = None
) -> list[str]:
    """The lines that the command prints.

    Args:
        settings: which runtime and precision are asked for.
        processor: of this machine.
        seen: the names of its cards.
        told: what `worker.models.on_card` says; None without a card, and where it could not be asked.
    """
    features = [name for name in TELLING if name in processor.features]
    rows = [
        (
            "processor",
            f"{processor.model or 'unknown'} ({', '.join(features) or 'nothing that precision is chosen by'})",
        ),
        ("card", ", ".join(seen or ()) or NO_CARD),
        *_runtimes(bool(seen), told),
        ("runtime", settings.runtime),
        ("precision", settings.precision),
    ]
    room = CalibrationRoom(settings.data_dir)
    kept, fault = room.read_or_nothing()
    if fault:
        rows.append(("measured", f"{room.file} is ignored: {fault}"))
    models = told["models"] if told else {}
    for entry in Catalogue(settings.models_dir).entries():
        if entry.manifest is None:
            rows.append((entry.folder.name, f"cannot be used: {entry.error}"))
        else:
            found = kept.found.get(calibration_key(entry.manifest, settings, processor))
            rows.append(
                (entry.manifest.id, _precision(entry, settings, processor, found, models.get(entry.manifest.id)))
            )
    width = max(len(name) for name, _ in rows)
    return [f"{name:{width}}  {text}" for name, text in rows]


def ask_runtimes(settings: Settings) -> dict[str, Any] | None:
    """What a worker's runtimes say of the card, in a process of their own; None where they cannot be asked."""
    env = {**os.environ, "TAGLINE_MODELS_DIR": str(settings.models_dir)}
    command = [sys.executable, "-m", "worker.models.on_card"]
    try:
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=ASK_S, check=True)
        told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    except (OSError, subprocess.SubprocessError, ValueError, IndexError):
        return None
    return told


def _runtimes(card: bool, told: dict[str, Any] | None) -> list[tuple[str, str]]:
    """By which runtimes a card is seen, and what is missing; nothing without one."""
    if not card:
        return []
    if told is None:
        return [("  runtimes", "could not be asked: python -m worker.models.on_card says why")]
    return [(f"  {name}", reason or "sees it") for name, reason in told["missing"].items()]


def _precision(
    entry: Installed, settings: Settings, processor: Processor, found: Found | None, told: dict[str, str] | None
) -> str:
    """What a model computes in here; `told` is what a worker's runtimes say of it, where there was somebody to ask."""
    manifest = entry.manifest
    assert manifest is not None
    graph = entry.folder / manifest.graph
    runtime = told["runtime"] if told else given_runtime(graph, settings.runtime) or processor_runtime()
    chosen, measured = told["variant"] if told else F32, False
    if runtime == "openvino":
        runs = runs_as(manifest, settings, processor, found)
        chosen, measured = runs.setup.variant, runs.chosen == "measured"
    by = f" by {runtime}" if told else ""
    others = [name for name in (F32, *(variant.name for variant in manifest.variants)) if name != chosen]
    said = f"{chosen}{by} (also there: {', '.join(others)})" if others else f"{chosen}{by}"
    return f"{said}; {_measured(found)}" if found and measured else said


def _measured(found: Found) -> str:
    rates = ", ".join(f"{name} {rate:g}/s" for name, rate in found.rates.items())
    return f"measured: {rates}; batches of {found.batch_size}, {found.streams} at a time ({found.measured_at})"
