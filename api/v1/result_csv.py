"""Results as CSV, for people and spreadsheets."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from typing import Any

from db.results import Row

COLUMNS = (
    "seq", "id", "state", "input", "label", "score", "labels", "error_code", "error_message",
    "width", "height", "sha256",
)  # fmt: skip
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_BLOCK = 64 * 1024


def csv_rows(rows: Iterator[Row]) -> Iterator[bytes]:
    """UTF-8 CSV with a header (RFC 4180).

    A text that a spreadsheet would run as a formula gets an apostrophe before it (CWE-1236): file names, texts and
    labels come from strangers, and the exact values are in JSON and NDJSON.
    """
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer)
    writer.writerow(COLUMNS)
    for row in rows:
        writer.writerow([_safe(value) for value in _fields(row)])
        if buffer.tell() >= _BLOCK:
            yield buffer.getvalue().encode()
            buffer.seek(0)
            buffer.truncate()
    yield buffer.getvalue().encode()


def _fields(row: Row) -> list[Any]:
    outputs = row["outputs"] or {}
    best, score = _best(outputs)
    error, media = row["error"] or {}, row["media"] or {}
    ref = next(iter(row["input"].values()), "")
    return [
        row["seq"], row["id"], row["state"], ref, best, score,
        json.dumps(outputs, ensure_ascii=False) if outputs else "",
        error.get("code"), error.get("message"), media.get("width"), media.get("height"), media.get("sha256"),
    ]  # fmt: skip


def _best(outputs: dict[str, Any]) -> tuple[str, Any]:
    """The first task's best label (or its text) and score."""
    for output in outputs.values():
        labels = output.get("labels") or [output]
        label = labels[0].get("label") or labels[0].get("text")
        if label is not None:
            return label, labels[0].get("score")
    return "", ""


def _safe(value: Any) -> Any:
    return "'" + value if isinstance(value, str) and value.startswith(_FORMULA) else value
