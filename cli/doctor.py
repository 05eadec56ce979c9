"""`tagline doctor`: what this machine is, and in what precision a worker runs each model on it."""

from __future__ import annotations

from pathlib import Path

import click

from cli.config import read_settings
from cli.terminal import say
from core.artefacts.catalogue import Catalogue
from core.artefacts.manifest import Manifest
from core.artefacts.variants import F32, choose_variant
from core.processor import Processor, this_processor
from core.settings import Settings

# Of the many features of a processor those that precision is chosen by.
TELLING = ("amx_bf16", "amx_int8", "avx512_bf16", "avx512_vnni", "avx_vnni", "avx512f", "avx2")


@click.command("doctor")
@click.option("--models", type=click.Path(file_okay=False, path_type=Path), help="Models.  [TAGLINE_MODELS_DIR]")
def doctor(models: Path | None) -> None:
    """Say what this machine runs, and how.

    A worker here takes the same choice; where it runs a model on a GPU, or a variant's files are damaged, it takes f32,
    and its log says so.
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
    for entry in Catalogue(settings.models_dir).entries():
        if entry.manifest is None:
            rows.append((entry.folder.name, f"cannot be used: {entry.error}"))
        else:
            rows.append((entry.manifest.id, _precision(entry.manifest, settings, processor)))
    width = max(len(name) for name, _ in rows)
    return [f"{name:{width}}  {text}" for name, text in rows]


def _precision(manifest: Manifest, settings: Settings, processor: Processor) -> str:
    plain = settings.runtime == "tensorflow"
    chosen = F32 if plain else choose_variant(manifest, settings.precision, processor.features).name
    others = [name for name in (F32, *(variant.name for variant in manifest.variants)) if name != chosen]
    return f"{chosen} (also there: {', '.join(others)})" if others else chosen
