"""Reading streamed bodies: lines of NDJSON, CSV or plain text to inputs, in constant memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final

from api.submission.inputs import KIND_NAMES, LIMITS, CheckPath, no_files, parse_input
from api.submission.plain_lines import row_maker
from core.inputs import InputItem, InputRows
from core.lists import csv_rows, line_groups, ndjson_rows, ndjson_value, text_rows
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


def read_inputs(
    content_type: str, blocks: Iterable[bytes], medium: Medium, check_path: CheckPath = no_files
) -> Iterator[InputItem | InputRows]:
    """What the parser of a content type finds, of NDJSON with most lines as rows ready to be packed; and its errors."""
    if PARSERS[content_type] is parse_ndjson:
        return _ndjson_inputs(blocks, medium, check_path)
    return PARSERS[content_type](blocks, medium, check_path)


def _ndjson_inputs(blocks: Iterable[bytes], medium: Medium, check_path: CheckPath) -> Iterator[InputItem | InputRows]:
    make_row = row_maker(medium)
    seq = read = 0
    for lines in line_groups(blocks):
        rows: list[bytes] = []
        readable = _is_utf8(lines)
        for number, line in enumerate(lines, read + 1):
            row = make_row(line, seq) if readable else None
            if row is not None:
                rows.append(row)
                seq += 1
            elif line and not line.isspace():
                if rows:
                    yield InputRows(seq - len(rows), rows)
                    rows = []
                yield parse_input(ndjson_value(line, number), seq, medium, f"line {number}", check_path)
                seq += 1
        read += len(lines)
        if rows:
            yield InputRows(seq - len(rows), rows)


def _is_utf8(lines: list[bytes]) -> bool:
    try:
        b"\n".join(lines).decode()
    except UnicodeDecodeError:
        return False
    return True
