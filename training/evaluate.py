"""Recompute every number on the cards from the artefacts and the data, and fail where a card overstates.

    python -m training.evaluate --data DATA [--models models] [NAME ...]

Published numbers, and those whose data is not there, are listed as not recomputed.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from core.artefacts.catalogue import Catalogue
from core.artefacts.manifest import Manifest, Metric
from core.errors import ArtefactError
from training.common.model_card import CARD, metrics_table
from training.tasks import tasks

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


def compare(manifest: Manifest, measured: Sequence[Metric]) -> list[str]:
    """Print each number of a manifest beside what was measured; complaints about those that overstate."""
    by_name, complaints = {metric.name: metric for metric in measured}, []
    for claimed in manifest.metrics:
        found = by_name.get(claimed.name)
        if found is None:
            print(f"  {claimed.name:40} card {formatted(claimed):26}  not recomputed: {claimed.source}")
            continue
        bad = overstates(claimed, found)
        card, measurement = formatted(claimed), formatted(found)
        print(f"  {claimed.name:40} card {card:26}  measured {measurement}{'  OVERSTATED' if bad else ''}")
        if bad:
            complaints.append(f"{manifest.id}: {claimed.name} is {measurement}, the card says {card}")
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
    complaints = compare(manifest, measured)
    if metrics_table(manifest.metrics) not in (folder / CARD).read_text(encoding="utf-8"):
        complaints.append(f"{manifest.id}: {CARD} and manifest.json give other numbers")
    claimed = {metric.name for metric in manifest.metrics}
    return sum(metric.name in claimed for metric in measured), complaints


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
            recomputed, claimed = recomputed + count, claimed + len(manifest.metrics)
    if not recomputed:
        complaints.append(f"nothing could be recomputed from {arguments.data}")
    print(f"{recomputed} of {claimed} numbers recomputed")
    print("no card overstates" if not complaints else "\n".join(["", *complaints]), file=sys.stderr)
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
