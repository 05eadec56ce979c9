"""Results as CSV, for people and spreadsheets."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from core.json_shapes import ShapedReader

_FIRST = ("seq", "id", "state", "input")
_LAST = ("labels", "error_code", "error_message", "width", "height", "sha256")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_NUMBER = re.compile(r"[+-]?\d{1,15}(\.\d{1,15})?", re.ASCII)
_QUOTED = re.compile('[,"\r\n]')
BOM = "\ufeff"


def csv_rows(pages: Iterator[Sequence[Any]], tasks: Sequence[str], *, odd: str, bom: bool = False) -> Iterator[bytes]:
    """UTF-8 CSV with a header (RFC 4180).

    A text that a spreadsheet would run as a formula gets an apostrophe before it (CWE-1236): file names, texts and
    labels come from strangers, and the exact values are in JSON and NDJSON. Plain numbers stay as they are.

    Args:
        pages: results as `db.result_lines.stream_texts` gives them.
        tasks: the job's, in its order. Each has a column for its best label (or text) and one for that one's score:
            `label` and `score` of a single task, `TASK_label` and `TASK_score` of several.
        odd: see `db.result_lines.odd_json`.
        bom: begin with a byte order mark, without which Excel takes UTF-8 for something else.
    """
    head = (BOM if bom else "") + ",".join(map(_shown, columns(tasks))) + "\r\n"
    outputs = ShapedReader(partial(_of_outputs, tasks), _shown, odd=odd)
    media = ShapedReader(_of_media, _shown, odd=odd)
    for rows in pages:
        yield (head + "".join([_line(row, outputs, media) for row in rows])).encode()
        head = ""
    if head:
        yield head.encode()


def columns(tasks: Sequence[str]) -> list[str]:
    """The header."""
    prefixes = [""] if len(tasks) == 1 else [f"{task}_" for task in tasks]
    return [*_FIRST, *(f"{prefix}{what}" for prefix in prefixes for what in ("label", "score")), *_LAST]


def _line(row: Any, outputs: ShapedReader, media: ShapedReader) -> str:
    item_id, seq, state, given, found, known, code, message, _ = row
    labels = ",".join(outputs.texts(found or "null"))
    size = ",".join(media.texts(known or "null"))
    error = "," if code is None else f"{_shown(code)},{_shown(message)}"
    return f"{seq},{_shown(item_id)},{state},{_shown(_ref(given))},{labels},{error},{size}\r\n"


def _ref(given: str) -> Any:
    """What an input names: of {"url": "https://..."} the address."""
    if "\\" not in given and given.count('"') == 4 and given.endswith('"}'):
        return given[given.index('": "') + 4 : -2]
    return next(iter(json.loads(given).values()), "")


def _of_media(media: dict[str, Any] | None) -> list[Any]:
    media = media or {}
    return [media.get("width"), media.get("height"), media.get("sha256")]


def _of_outputs(tasks: Sequence[str], outputs: dict[str, Any] | None) -> list[Any]:
    """The labels and scores, and everything as JSON, empty if there is nothing."""
    outputs = outputs or {}
    # In the job's order and sorted below it: PostgreSQL keeps the keys of JSON in an order of its own.
    ordered = ", ".join(f"{json.dumps(task)}: {_json(outputs[task])}" for task in tasks if task in outputs)
    best = [value for task in tasks for value in _best(outputs.get(task, {}))]
    return [*best, f"{{{ordered}}}" if outputs else ""]


def _best(output: dict[str, Any]) -> tuple[Any, Any]:
    """The label that is given (or the text) and its score; empty where a task gave none."""
    given = output if "label" in output or "text" in output else next(iter(output.get("labels") or ()), {})
    return given.get("label", given.get("text", "")), given.get("score", "")


_json = json.JSONEncoder(ensure_ascii=False, sort_keys=True).encode  # json.dumps would make one for each value


def safe_cell(value: Any) -> Any:
    """A cell that no spreadsheet runs as a formula; see `csv_rows`."""
    runs = isinstance(value, str) and value.startswith(_FORMULA) and not _NUMBER.fullmatch(value)
    return "'" + value if runs else value


def _shown(value: Any) -> str:
    """A cell as `csv.writer` writes it."""
    if value is None:
        return ""
    text = str(value)  # a plug-in may say something else than a text or a number
    if isinstance(value, str) and value.startswith(_FORMULA):
        text = safe_cell(value)
    return '"' + text.replace('"', '""') + '"' if _QUOTED.search(text) else text
