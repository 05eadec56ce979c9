"""Results as CSV, for people and spreadsheets."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

from db.results import Row

_FIRST = ("seq", "id", "state", "input")
_LAST = ("labels", "error_code", "error_message", "width", "height", "sha256")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_NUMBER = re.compile(r"[+-]?\d{1,15}(\.\d{1,15})?", re.ASCII)
_BLOCK = 64 * 1024
BOM = "\ufeff"


def csv_rows(rows: Iterator[Row], tasks: Sequence[str], *, bom: bool = False) -> Iterator[bytes]:
    """UTF-8 CSV with a header (RFC 4180).

    A text that a spreadsheet would run as a formula gets an apostrophe before it (CWE-1236): file names, texts and
    labels come from strangers, and the exact values are in JSON and NDJSON. Plain numbers stay as they are.

    Args:
        rows: results as clients see them.
        tasks: the job's, in its order. Each has a column for its best label (or text) and one for that one's score:
            `label` and `score` of a single task, `TASK_label` and `TASK_score` of several.
        bom: begin with a byte order mark, without which Excel takes UTF-8 for something else.
    """
    buffer = io.StringIO(newline="")
    buffer.write(BOM if bom else "")
    writer = csv.writer(buffer)
    writer.writerow(columns(tasks))
    for row in rows:
        writer.writerow([safe_cell(value) if isinstance(value, str) else value for value in _fields(row, tasks)])
        if buffer.tell() >= _BLOCK:
            yield buffer.getvalue().encode()
            buffer.seek(0)
            buffer.truncate()
    yield buffer.getvalue().encode()


def columns(tasks: Sequence[str]) -> list[str]:
    """The header."""
    prefixes = [""] if len(tasks) == 1 else [f"{task}_" for task in tasks]
    return [*_FIRST, *(f"{prefix}{what}" for prefix in prefixes for what in ("label", "score")), *_LAST]


def _fields(row: Row, tasks: Sequence[str]) -> list[Any]:
    outputs = row["outputs"] or {}
    error, media = row["error"] or {}, row["media"] or {}
    ref = next(iter(row["input"].values()), "")
    # In the job's order and sorted below it: PostgreSQL keeps the keys of JSON in an order of its own.
    ordered = ", ".join(f"{json.dumps(task)}: {_json(outputs[task])}" for task in tasks if task in outputs)
    return [
        row["seq"], row["id"], row["state"], ref,
        *(value for task in tasks for value in _best(outputs.get(task, {}))),
        f"{{{ordered}}}" if outputs else "",
        error.get("code"), error.get("message"), media.get("width"), media.get("height"), media.get("sha256"),
    ]  # fmt: skip


def _best(output: dict[str, Any]) -> tuple[Any, Any]:
    """The label that is given (or the text) and its score; empty where a task gave none."""
    given = output if "label" in output or "text" in output else next(iter(output.get("labels") or ()), {})
    return given.get("label", given.get("text", "")), given.get("score", "")


_json = json.JSONEncoder(ensure_ascii=False, sort_keys=True).encode  # json.dumps would make one for each value


def safe_cell(value: Any) -> Any:
    """A cell that no spreadsheet runs as a formula; see `csv_rows`."""
    runs = isinstance(value, str) and value.startswith(_FORMULA) and not _NUMBER.fullmatch(value)
    return "'" + value if runs else value
