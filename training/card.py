"""Model cards: a text written by a person, with a table of numbers written by the measurement.

    python -m training.card models/NAME ...

writes the cards again after their texts in training/*/cards have changed; no number changes by it.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from core.artefacts.manifest import MANIFEST, Metric, load_manifest
from training.common.package import write_manifest

CARDS = Path(__file__).parent
PLACE = "{metrics}"
CARD = "README.md"


def metrics_table(metrics: Sequence[Metric]) -> str:
    """The numbers as a Markdown table: one row a metric, with its interval where it has one."""
    rows = ["| metric | value | 95 % interval | protocol |", "|---|---|---|---|"]
    for metric in metrics:
        interval = f"{metric.low:.4f} to {metric.high:.4f}" if metric.low is not None else ""
        rows.append(f"| {metric.name} | {metric.value:.4f} | {interval} | {metric.source} |")
    return "\n".join(rows)


def write_card(folder: Path, name: str, metrics: Sequence[Metric]) -> None:
    """Write README.md from training/*/cards/NAME.md, its place for metrics filled.

    An artefact without such a text gets the bare table: enough for a try, not for shipping.
    """
    template = next(CARDS.glob(f"*/cards/{name}.md"), None)
    text = template.read_text(encoding="utf-8") if template else f"# {name}\n\n{PLACE}\n"
    (folder / CARD).write_text(text.replace(PLACE, metrics_table(metrics)), encoding="utf-8")


def rewrite(folder: Path) -> None:
    """Write the card of an artefact again, from its text and the numbers in the manifest, which gets the new hash."""
    manifest = load_manifest(folder)
    write_card(folder, manifest.name, manifest.metrics)
    fields = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    files = sorted({*fields.pop("files"), CARD})
    write_manifest(folder, {name: value for name, value in fields.items() if name != "bytes"}, files)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path, help="artefacts")
    for folder in parser.parse_args().folders:
        rewrite(folder)
        print(f"{folder / CARD}: written")


if __name__ == "__main__":
    main()
