"""What the demo shows: under each photo its caption, its tags and its classes; and a table of texts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from rich import box
from rich.console import Console, Group
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from cli.client.confident import confident
from cli.client.results import outcome
from cli.terminal import clean

_IMAGE_ROWS = (("tag", "tags"), ("classify", "classes"))
_INDENT = 2
_LEFT = 11  # columns before labels: the indent, and what they are


def print_photos(rows: Iterable[Mapping[str, Any]], console: Console | None = None, *, every: bool = False) -> None:
    """Each photo with what was found in it, at any width of the terminal; `every`: labels below 0.5, too."""
    console = console or Console()
    for row in rows:
        console.print()
        console.print(_photo(row, console.width, every))
    console.print()


def print_texts(rows: Iterable[Mapping[str, Any]], texts: Mapping[str, str], console: Console | None = None) -> None:
    """A table of texts and what each task says of them.

    Args:
        rows: results of one job.
        texts: what was judged, by the result's id.
        console: where to; standard output unless given.
    """
    rows = list(rows)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("text", overflow="fold", ratio=1)
    tasks = list(dict.fromkeys(task for row in rows for task in row["outputs"] or ()))
    for task in tasks:
        table.add_column(task, no_wrap=True)
    for row in rows:
        given, outputs = Text(clean(texts[row["id"]])), row["outputs"]
        if outputs:
            table.add_row(given, *(_verdict(outputs[task]) for task in tasks))
        else:
            table.add_row(Text("\n").join([given, outcome(dict(row))]))
    (console or Console()).print(table)


def _photo(row: Mapping[str, Any], width: int, every: bool) -> Group:
    [(way, _)] = row["input"].items()
    title = Text.assemble((clean(str(row["id"])), "bold"), ("  by ", "dim"), (way, "dim"))
    outputs = row["outputs"]
    if not outputs:
        return Group(title, Padding(outcome(dict(row)), (0, 0, 0, _INDENT)))
    body = Table.grid(padding=(0, 1))
    body.add_column(no_wrap=True, style="dim")
    body.add_column(overflow="fold")
    if "caption" in outputs:
        said = outputs["caption"]
        body.add_row("caption", _scored(f"“{clean(said['text'])}”", said["score"], "bold green"))
    for task, name in _IMAGE_ROWS:
        if task in outputs:
            body.add_row(name, _ranked(confident(outputs[task]["labels"], every=every), width - _LEFT))
    return Group(title, Padding(body, (0, 0, 0, _INDENT)))


def _verdict(output: Mapping[str, Any]) -> Text:
    return _scored(clean(str(output["label"])), output["score"])


def _ranked(labels: Iterable[Mapping[str, Any]], width: int) -> Text:
    """Labels in a row, the best one first, in lines of a width; a label is never torn from its score."""
    lines = [Text()]
    for rank, label in enumerate(labels):
        found = _scored(clean(str(label["label"])), label["score"], "" if rank else "bold")
        if lines[-1].cell_len and lines[-1].cell_len + found.cell_len + 2 > width:
            lines.append(Text())
        lines[-1].append_text(Text.assemble("  " if lines[-1] else "", found))
    return Text("\n").join(lines)


def _scored(text: str, score: float, style: str = "") -> Text:
    return Text.assemble((text, style), (f" {score:.2f}", "dim"))
