"""Recompute every number on the cards from the artefacts and the data, and fail where a card overstates.

    python -m training.evaluate --data DATA [--models models] [NAME ...]

Published numbers, and those whose data is not there, are listed as not recomputed.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from core.artefacts import Manifest, Metric
from core.catalogue import Catalogue
from training.card import CARD, metrics_table

SLACK = 0.0005  # a card is rounded, and machines differ in the last bits
SMALLER_IS_BETTER = ("calibration_error",)


def overstates(claimed: Metric, measured: Metric) -> bool:
    """Whether a card says better than what was measured."""
    better = claimed.value - measured.value
    if claimed.name.endswith(SMALLER_IS_BETTER):
        better = -better
    return better > SLACK


def check(folder: Path, manifest: Manifest, data: Path) -> list[str]:
    """Complaints about an artefact's numbers; prints each number beside what the card says."""
    from training.text.measure import MEASURES

    print(manifest.id)
    measured = {metric.name: metric for metric in MEASURES[manifest.task](folder, data)}
    complaints = []
    for claimed in manifest.metrics:
        found = measured.get(claimed.name)
        if found is None:
            print(f"  {claimed.name:40} card {claimed.value:.4f}  not recomputed: {claimed.source}")
            continue
        bad = overstates(claimed, found)
        print(
            f"  {claimed.name:40} card {claimed.value:.4f}  measured {found.value:.4f}{'  OVERSTATED' if bad else ''}"
        )
        if bad:
            complaints.append(f"{manifest.id}: {claimed.name} is {found.value}, the card says {claimed.value}")
    if metrics_table(manifest.metrics) not in (folder / CARD).read_text(encoding="utf-8"):
        complaints.append(f"{manifest.id}: {CARD} and manifest.json give other numbers")
    return complaints


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="artefacts; all that can be measured unless given")
    parser.add_argument("--data", type=Path, required=True, help="the data folder, see training/README.md")
    parser.add_argument("--models", type=Path, default=Path("models"))
    arguments = parser.parse_args()
    complaints = []
    for entry in Catalogue(arguments.models).entries():
        manifest = entry.manifest
        if manifest is None:
            complaints.append(f"{entry.folder.name}: {entry.error}")
        elif manifest.kind == "text-classifier" and (not arguments.names or manifest.name in arguments.names):
            complaints += check(entry.folder, manifest, arguments.data)
    print(*complaints, sep="\n", file=sys.stderr)
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
