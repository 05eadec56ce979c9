"""Model cards: a text written by a person, with a table of numbers written by the measurement."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from core.artefacts.manifest import Metric

CARDS = Path(__file__).parents[1]  # each task's folder has a folder cards/
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
