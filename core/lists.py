"""Lists that people send: rows of NDJSON, CSV or plain text, read from blocks of bytes in constant memory."""

from __future__ import annotations

import csv
import itertools
import re
from collections.abc import Collection, Iterable, Iterator
from typing import Any

from core.errors import RequestError
from core.strict_json import loads

UTF_16 = (b"\xff\xfe", b"\xfe\xff")
_ENDS = re.compile(rb"\r\n|\n|\r(?!\Z)")
DELIMITERS = ",;\t"  # spreadsheets write semicolons where the decimal sign is a comma
MAX_LINE = 1_000_000  # bytes; a text of 100,000 characters, fully escaped, is 600,000


def line_groups(blocks: Iterable[bytes]) -> Iterator[list[bytes]]:
    """The lines that each block completes, without their ends (LF, CRLF or CR alone), the byte order mark taken off.

    Raises:
        RequestError: `line_invalid`, a line is longer than 1,000,000 bytes, or the list is in UTF-16. Lines before it
            have been given.
    """
    rest = b""
    number = 1
    first = True
    for block in blocks:
        if number == 1 and first and (rest + block).startswith(UTF_16):
            raise invalid_line(1, "the list is in UTF-16; save it as UTF-8 (in Excel: CSV UTF-8)")
        # A CR at the very end may be half of a CRLF: it waits for the next block.
        together = rest + block
        lines = _ENDS.split(together) if b"\r" in together else together.split(b"\n")
        rest = lines.pop()
        if first and lines:
            lines[0] = lines[0].removeprefix(b"\xef\xbb\xbf")
            first = False
        if len(together) > MAX_LINE:
            too_long = next((place for place, line in enumerate(lines) if len(line) > MAX_LINE), None)
            if too_long is not None:
                yield lines[:too_long]
                raise invalid_line(number + too_long, f"longer than {MAX_LINE:,} bytes")
        if lines:
            yield lines
            number += len(lines)
        if len(rest) > MAX_LINE + 3:
            raise invalid_line(number, f"longer than {MAX_LINE:,} bytes")
    if first:
        rest = rest.removeprefix(b"\xef\xbb\xbf")
    if rest:
        yield [rest.removesuffix(b"\r")]


def split_lines(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """The lines of `line_groups`, one by one."""
    return itertools.chain.from_iterable(line_groups(blocks))


def ndjson_rows(blocks: Iterable[bytes]) -> Iterator[tuple[int, Any]]:
    """One JSON value a line, with the line's number from 1; blank lines are ignored.

    Raises:
        RequestError: `line_invalid`, as for all that follow.
    """
    for number, line in enumerate(split_lines(blocks), 1):
        if line and not line.isspace():
            yield number, ndjson_value(line, number)


def ndjson_value(line: bytes, number: int) -> Any:
    """The JSON value of a line that is not blank; raises as `ndjson_rows`."""
    try:
        return loads(line)
    except ValueError as error:
        raise invalid_line(number, str(error).replace("line 1, ", "")) from None


def text_rows(blocks: Iterable[bytes]) -> Iterator[tuple[int, str]]:
    """One text a line, as it stands but for spaces around it, with the line's number; blank lines are ignored."""
    for number, line in enumerate(split_lines(blocks), 1):
        value = _decode(line, number).strip()
        if value:
            yield number, value


def csv_rows(blocks: Iterable[bytes], columns: Collection[str], kinds: str) -> Iterator[tuple[int, dict[str, str]]]:
    """Rows under a header, with the number of the line that each begins in; commas, semicolons or tabs between the
    columns; fields may be quoted and hold line breaks. Empty fields are left out.

    Args:
        columns: id, and the others that there may be, of which the header must name one.
        kinds: these others, for people.
    """
    decoded = (_decode(line, number) + "\n" for number, line in enumerate(split_lines(blocks), 1))
    top = _until_text(decoded)
    reader = csv.reader(itertools.chain(top, decoded), strict=True, delimiter=_delimiter("".join(top)))
    header: list[str] = []
    started = 1
    while True:
        try:
            row = next(reader, None)
        except csv.Error as error:
            raise invalid_line(started, str(error)) from None
        if row is None:
            return
        if row and not header:
            header = _header(row, columns, kinds)
        elif row:
            yield started, _fields(header, row, started)
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


def _header(row: list[str], columns: Collection[str], kinds: str) -> list[str]:
    names = [name.strip().lower() for name in row]
    wrong = [name for name in names if name not in columns]
    if wrong or len(set(names)) != len(names) or set(names) <= {"id"}:
        problem = f"unknown column {wrong[0][:50]!r}" if wrong else "a column is missing or stands twice"
        raise invalid_line(1, f"{problem}; the header names id and one or more of {kinds}")
    return names


def _fields(header: list[str], row: list[str], number: int) -> dict[str, str]:
    if len(row) != len(header):
        raise invalid_line(number, f"{len(row)} fields under a header of {len(header)}")
    return {name: field for name, field in zip(header, row, strict=True) if field}


def _decode(line: bytes, number: int) -> str:
    try:
        return line.decode()
    except UnicodeDecodeError as error:
        raise invalid_line(number, f"not UTF-8 at byte {error.start}") from None


def invalid_line(number: int, reason: str) -> RequestError:
    """The error of a line that cannot be used; nothing of the list is, then."""
    message = f"Line {number}: {reason}. Nothing was accepted; correct it and send everything again."
    return RequestError("line_invalid", message, where=f"line {number}")
