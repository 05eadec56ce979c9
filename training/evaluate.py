"""Recompute every number on the cards from the artefacts and the data, and fail where a card overstates.

    python -m training.evaluate --data DATA [--models models] [NAME ...]

Those of variants are recomputed, too, where this processor computes in them. Published numbers, and those whose data
is not there, are listed as not recomputed.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from core.artefacts.catalogue import Catalogue
from core.artefacts.manifest import Manifest, Metric, Variant
from core.errors import ArtefactError
from training.common.model_card import CARD, metrics_table, variants_tables
from training.tasks import tasks
from training.variants import measure as measure_variant

SLACK = 0.0005  # a card is rounded, and machines differ in the last bits
SMALLER_IS_BETTER = ("calibration_error", "difference")

Measure = Callable[[Path, Path], list[Metric]]


def measure_of(artefact_task: str) -> Measure:
    """The function that measures artefacts of a task: from an artefact's folder and the data folder to its numbers.

    Args:
        artefact_task: as the manifest has it.

    Raises:
        KeyError: nobody measures that task.
    """
    return {task.ARTEFACT_TASK: task.measure for task in tasks()}[artefact_task]


def overstates(claimed: Metric, measured: Metric) -> bool:
    """Whether a card says better than what was measured: a better value, a better bound, or a narrower interval."""
    sign = -1 if claimed.name.endswith(SMALLER_IS_BETTER) else 1
    if sign * (claimed.value - measured.value) > SLACK:
        return True
    if measured.low is None or measured.high is None:
        return False
    if claimed.low is None or claimed.high is None:
        return True
    better = max(sign * (claimed.low - measured.low), sign * (claimed.high - measured.high))
    narrower = (measured.high - measured.low) - (claimed.high - claimed.low)
    return better > SLACK or narrower > 2 * SLACK


def formatted(metric: Metric) -> str:
    """A value with its interval."""
    interval = "" if metric.low is None else f" ({metric.low:.4f} to {metric.high:.4f})"
    return f"{metric.value:.4f}{interval}"


def compare(of: str, claims: Sequence[Metric], measured: Sequence[Metric]) -> list[str]:
    """Print each number of a manifest beside what was measured; complaints about those that overstate.

    Args:
        of: what the numbers are of, for the complaints.
        claims: the numbers.
    """
    by_name, complaints = {metric.name: metric for metric in measured}, []
    for claimed in claims:
        found = by_name.get(claimed.name)
        if found is None:
            print(f"  {claimed.name:40} card {formatted(claimed):26}  not recomputed: {claimed.source}")
            continue
        bad = overstates(claimed, found)
        card, measurement = formatted(claimed), formatted(found)
        print(f"  {claimed.name:40} card {card:26}  measured {measurement}{'  OVERSTATED' if bad else ''}")
        if bad:
            complaints.append(f"{of}: {claimed.name} is {measurement}, the card says {card}")
    return complaints


def check(folder: Path, manifest: Manifest, data: Path) -> tuple[int, list[str]]:
    """How many of an artefact's numbers were recomputed, and complaints; prints each beside what the card says."""
    print(manifest.id, flush=True)
    try:
        measure = measure_of(manifest.task)
    except KeyError:
        return 0, [f"{manifest.id}: nobody measures the task {manifest.task}"]
    try:
        measured = measure(folder, data)
    except FileNotFoundError as error:
        print(f"  its data is not there: {error}")
        measured = []
    except ArtefactError as error:
        return 0, [f"{manifest.id}: {error}"]
    complaints = compare(manifest.id, manifest.metrics, measured)
    if metrics_table(manifest.metrics) not in (folder / CARD).read_text(encoding="utf-8"):
        complaints.append(f"{manifest.id}: {CARD} and manifest.json give other numbers")
    recomputed = _both(manifest.metrics, measured)
    for variant in manifest.variants:
        found, more = check_variant(folder, manifest, variant, data)
        recomputed, complaints = recomputed + found, complaints + more
    if manifest.variants and variants_tables(manifest.variants) not in (folder / CARD).read_text(encoding="utf-8"):
        complaints.append(f"{manifest.id}: {CARD} and manifest.json give other numbers of its variants")
    return recomputed, complaints


def check_variant(folder: Path, manifest: Manifest, variant: Variant, data: Path) -> tuple[int, list[str]]:
    """As `check`, for the numbers of a variant: its own, and those of the models that read the artefact in it."""
    name = f"{manifest.id}/{variant.name}"
    print(name, flush=True)
    try:
        measured = [now for now, _ in measure_variant(folder, manifest, data, variant.name)]
    except FileNotFoundError as error:
        print(f"  its data is not there: {error}")
        measured = []
    except ArtefactError as error:
        if error.code != "variant_missing":
            return 0, [f"{name}: {error}"]
        print(f"  not recomputed here: {error.message}")
        measured = []
    return _both(variant.metrics, measured), compare(name, variant.metrics, measured)


def _both(claims: Sequence[Metric], measured: Sequence[Metric]) -> int:
    """How many numbers are claimed and were measured."""
    claimed = {metric.name for metric in claims}
    return sum(metric.name in claimed for metric in measured)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="artefacts; all unless given")
    parser.add_argument("--data", type=Path, required=True, help="the data folder, see training/README.md")
    parser.add_argument("--models", type=Path, default=Path("models"))
    arguments = parser.parse_args()
    if not arguments.data.is_dir():
        parser.error(f"{arguments.data} is no folder")
    complaints, recomputed, claimed = [], 0, 0
    for entry in Catalogue(arguments.models).entries():
        manifest = entry.manifest
        if manifest is None:
            complaints.append(f"{entry.folder.name}: {entry.error}")
        elif not arguments.names or manifest.name in arguments.names:
            count, found = check(entry.folder, manifest, arguments.data)
            complaints += found
            recomputed += count
            claimed += len(manifest.metrics) + sum(len(variant.metrics) for variant in manifest.variants)
    if not recomputed:
        complaints.append(f"nothing could be recomputed from {arguments.data}")
    print(f"{recomputed} of {claimed} numbers recomputed")
    print("no card overstates" if not complaints else "\n".join(["", *complaints]), file=sys.stderr)
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
