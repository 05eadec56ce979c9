"""Reading streamed bodies: lines of NDJSON, CSV or plain text to inputs, in constant memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final

from api.submission.inputs import KIND_NAMES, LIMITS, CheckPath, no_files, parse_input
from core.inputs import InputItem
from core.lists import csv_rows, ndjson_rows, text_rows
from core.tasks import Medium

COLUMNS = ("id", *LIMITS)
Parser = Callable[[Iterable[bytes], Medium, CheckPath], Iterator[InputItem]]


def parse_ndjson(blocks: Iterable[bytes], medium: Medium, check_path: CheckPath = no_files) -> Iterator[InputItem]:
    """One JSON value a line; blank lines are ignored."""
    return _parse(ndjson_rows(blocks), medium, check_path)


def parse_text(blocks: Iterable[bytes], medium: Medium, check_path: CheckPath = no_files) -> Iterator[InputItem]:
    """One input a line, as it stands but for spaces around it; blank lines are ignored."""
    return _parse(text_rows(blocks), medium, check_path)


def parse_csv(blocks: Iterable[bytes], medium: Medium, check_path: CheckPath = no_files) -> Iterator[InputItem]:
    """Rows under a header of id and kinds of input, with commas, semicolons or tabs between the columns; fields
    may be quoted and hold line breaks.

    Empty fields count as absent, so that one file can hold URLs and uploads.
    """
    return _parse(csv_rows(blocks, COLUMNS, KIND_NAMES), medium, check_path)


def _parse(rows: Iterable[tuple[int, object]], medium: Medium, check_path: CheckPath) -> Iterator[InputItem]:
    for seq, (number, value) in enumerate(rows):
        yield parse_input(value, seq, medium, f"line {number}", check_path)


PARSERS: Final[dict[str, Parser]] = {
    "application/x-ndjson": parse_ndjson,
    "application/jsonl": parse_ndjson,
    "text/csv": parse_csv,
    "text/plain": parse_text,
}
