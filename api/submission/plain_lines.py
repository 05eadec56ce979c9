"""Lines of NDJSON that are what nearly all are: a URL or a text, alone or with an id, and nothing odd about it.

A pattern proves that a line is one that `parse_input` would take as it stands. Its JSON strings are then copied as they
are, and no object is made of them. Whatever the pattern does not match is no error: it is read with all care.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from api.submission.inputs import MAX_ID, MAX_TEXT, MAX_URL
from core.tasks import Medium

# A JSON string without NUL and without half of a surrogate pair. It has no fewer bytes than characters.
_MORE = (
    rb'[^"\\\x00-\x1f]*(?:\\(?:["\\/bfnrt]|u(?!0000|[dD][89a-fA-F])[0-9a-fA-F]{4}'
    rb'|u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})[^"\\\x00-\x1f]*)*"'
)
_ID = rb'"(?!")' + _MORE
_REF: Final[dict[Medium, bytes]] = {"image": rb'"https?:' + _MORE, "text": rb'"(?!")' + _MORE}  # s3:// is no URL
_KIND: Final[dict[Medium, bytes]] = {"image": b"url", "text": b"text"}
_MAX: Final[dict[Medium, int]] = {"image": MAX_URL, "text": MAX_TEXT}
_LINE: Final = (
    rb'[ \t]*(?:(?P<alone>REF)|\{ *(?:"id" *: *(?P<before>ID) *, *)?"KIND" *: *(?P<ref>REF) *\}'
    rb'|\{ *"KIND" *: *(?P<ref_first>REF) *, *"id" *: *(?P<after>ID) *\})[ \t]*'
)


def row_maker(medium: Medium) -> Callable[[bytes, int], bytes | None]:
    """A function from a line, which is UTF-8, and its seq to the row that `core.inputs.pack_items` makes of its input;
    None if the line is not plain."""
    kind, most = _KIND[medium], _MAX[medium]
    pattern = _LINE.replace(b"KIND", kind).replace(b"REF", _REF[medium]).replace(b"ID", _ID)
    match = re.compile(pattern).fullmatch

    def make(line: bytes, seq: int) -> bytes | None:
        found = match(line) if len(line) <= most else None
        if found is None:
            return None
        alone, before, ref, ref_first, after = found.groups()
        item_id = before or after or b'"%d"' % seq
        if len(item_id) > MAX_ID + 2:
            return None
        return b'[%d,%b,"%b",%b]' % (seq, item_id, kind, alone or ref or ref_first)

    return make
