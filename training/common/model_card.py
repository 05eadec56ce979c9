"""Model cards: a text written by a person, with a table of numbers written by the measurement."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from core.artefacts.manifest import Metric, Variant

CARDS = Path(__file__).parents[1]  # each task's folder has a folder cards/
PLACE, VARIANTS_PLACE = "{metrics}", "{variants}"
CARD = "README.md"


def metrics_table(metrics: Sequence[Metric]) -> str:
    """The numbers as a Markdown table: one row a metric, with its interval where it has one."""
    rows = ["| metric | value | 95 % interval | protocol |", "|---|---|---|---|"]
    for metric in metrics:
        interval = f"{metric.low:.4f} to {metric.high:.4f}" if metric.low is not None else ""
        rows.append(f"| {metric.name} | {metric.value:.4f} | {interval} | {metric.source} |")
    return "\n".join(rows)


def variants_tables(variants: Sequence[Variant]) -> str:
    """A table of numbers for each variant, below its name; a word where there is none."""
    tables = [f"`{variant.name}`:\n\n{metrics_table(variant.metrics)}" for variant in variants]
    return "\n\n".join(tables) or "There is none."


def write_card(folder: Path, name: str, metrics: Sequence[Metric], variants: Sequence[Variant] = ()) -> None:
    """Write README.md from training/*/cards/NAME.md, its places for metrics and for those of variants filled.

    An artefact without such a text gets the bare table: enough for a try, not for shipping.
    """
    template = next(CARDS.glob(f"*/cards/{name}.md"), None)
    text = template.read_text(encoding="utf-8") if template else f"# {name}\n\n{PLACE}\n"
    text = text.replace(PLACE, metrics_table(metrics)).replace(VARIANTS_PLACE, variants_tables(variants))
    (folder / CARD).write_text(text, encoding="utf-8")
