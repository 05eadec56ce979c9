"""Reading streamed bodies: lines of NDJSON, CSV or plain text to inputs, in constant memory."""

from __future__ import annotations

import csv
import itertools
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

from api.submission.inputs import KIND_NAMES, LIMITS, CheckPath, no_files, parse_input
from api.submission.strict_json import loads
from core.errors import RequestError
from core.inputs import InputItem
from core.tasks import Medium

UTF_16 = (b"\xff\xfe", b"\xfe\xff")
_ENDS = re.compile(rb"\r\n|\n|\r(?!\Z)")
DELIMITERS = ",;\t"  # spreadsheets write semicolons where the decimal sign is a comma
MAX_LINE = 1_000_000  # bytes; a text of 100,000 characters, fully escaped, is 600,000
COLUMNS = ("id", *LIMITS)
Parser = Callable[[Iterable[bytes], Medium, CheckPath], Iterator[InputItem]]


def split_lines(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """Lines without their ends (LF, CRLF or CR alone), the byte order mark taken off.

    Raises:
        RequestError: `line_invalid`, a line is longer than 1,000,000 bytes, or the list is in UTF-16.
    """
    rest = b""
    number = 1
    first = True
    for block in blocks:
        if number == 1 and first and (rest + block).startswith(UTF_16):
            raise _invalid(1, "the list is in UTF-16; save it as UTF-8 (in Excel: CSV UTF-8)")
        # A CR at the very end may be half of a CRLF: it waits for the next block.
        lines = _ENDS.split(rest + block)
        rest = lines.pop()
        if first and lines:
            lines[0] = lines[0].removeprefix(b"\xef\xbb\xbf")
            first = False
        for line in lines:
            if len(line) > MAX_LINE:
                raise _invalid(number, f"longer than {MAX_LINE:,} bytes")
            yield line
            number += 1
        if len(rest) > MAX_LINE + 3:
            raise _invalid(number, f"longer than {MAX_LINE:,} bytes")
    if first:
        rest = rest.removeprefix(b"\xef\xbb\xbf")
    if rest:
        yield rest.removesuffix(b"\r")


def parse_ndjson(blocks: Iterable[bytes], medium: Medium, check_path: CheckPath = no_files) -> Iterator[InputItem]:
    """One JSON value a line; blank lines are ignored."""
    seq = 0
    for number, line in enumerate(split_lines(blocks), 1):
        if not line or line.isspace():
            continue
        try:
            value = loads(line)
        except ValueError as error:
            raise _invalid(number, str(error).replace("line 1, ", "")) from None
        yield parse_input(value, seq, medium, f"line {number}", check_path)
        seq += 1


def parse_text(blocks: Iterable[bytes], medium: Medium, check_path: CheckPath = no_files) -> Iterator[InputItem]:
    """One input a line, as it stands but for spaces around it; blank lines are ignored."""
    seq = 0
    for number, line in enumerate(split_lines(blocks), 1):
        value = _decode(line, number).strip()
        if value:
            yield parse_input(value, seq, medium, f"line {number}", check_path)
            seq += 1


def parse_csv(blocks: Iterable[bytes], medium: Medium, check_path: CheckPath = no_files) -> Iterator[InputItem]:
    """Rows under a header of id and kinds of input, with commas, semicolons or tabs between the columns; fields
    may be quoted and hold line breaks.

    Empty fields count as absent, so that one file can hold URLs and uploads.
    """
    decoded = (_decode(line, number) + "\n" for number, line in enumerate(split_lines(blocks), 1))
    top = _until_text(decoded)
    reader = csv.reader(itertools.chain(top, decoded), strict=True, delimiter=_delimiter("".join(top)))
    header: list[str] = []
    seq = 0
    started = 1
    while True:
        try:
            row = next(reader, None)
        except csv.Error as error:
            raise _invalid(started, str(error)) from None
        if row is None:
            return
        if row and not header:
            header = _header(row)
        elif row:
            yield parse_input(_fields(header, row, started), seq, medium, f"line {started}", check_path)
            seq += 1
        started = reader.line_num + 1


def _until_text(lines: Iterator[str]) -> list[str]:
    """The lines down to the first that is not blank."""
    found = []
    for line in lines:
        found.append(line)
        if line.strip():
            break
    return found


def _delimiter(header: str) -> str:
    """What stands between the columns of a header."""
    return max(DELIMITERS, key=header.count)


def _header(row: list[str]) -> list[str]:
    names = [name.strip().lower() for name in row]
    wrong = [name for name in names if name not in COLUMNS]
    if wrong or len(set(names)) != len(names) or set(names) <= {"id"}:
        problem = f"unknown column {wrong[0][:50]!r}" if wrong else "a column is missing or stands twice"
        raise _invalid(1, f"{problem}; the header names id and one or more of {KIND_NAMES}")
    return names


def _fields(header: list[str], row: list[str], number: int) -> dict[str, Any]:
    if len(row) != len(header):
        raise _invalid(number, f"{len(row)} fields under a header of {len(header)}")
    return {name: field for name, field in zip(header, row, strict=True) if field}


def _decode(line: bytes, number: int) -> str:
    try:
        return line.decode()
    except UnicodeDecodeError as error:
        raise _invalid(number, f"not UTF-8 at byte {error.start}") from None


def _invalid(number: int, reason: str) -> RequestError:
    message = f"Line {number}: {reason}. Nothing was accepted; correct it and send everything again."
    return RequestError("line_invalid", message, where=f"line {number}")


PARSERS: Final[dict[str, Parser]] = {
    "application/x-ndjson": parse_ndjson,
    "application/jsonl": parse_ndjson,
    "text/csv": parse_csv,
    "text/plain": parse_text,
}
