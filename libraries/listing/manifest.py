"""Manifests: lists of the URLs of photos, as plain text, CSV or NDJSON. All of one is good, or none of it is used."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

from core.errors import ItemError
from core.lists import csv_rows, invalid_line, ndjson_rows, text_rows
from core.outbound.s3.uri import parse_s3_uri
from core.outbound.url_policy import AROUND, check_url
from libraries.listing.entry import MAX_KEY_BYTES, Entry
from libraries.listing.photo_keys import storable

KINDS = ("url", "s3")
COLUMNS = ("id", *KINDS)
_NDJSON, _CSV, _PLAIN = "application/x-ndjson", "text/csv", "text/plain"
MEDIA_TYPES: Final[dict[str, Callable[[Iterable[bytes]], Iterator[tuple[int, Any]]]]] = {
    _NDJSON: ndjson_rows,
    "application/jsonl": ndjson_rows,
    _CSV: lambda blocks: csv_rows(blocks, COLUMNS, ", ".join(KINDS)),
    _PLAIN: text_rows,
}
_BY_ENDING = {".csv": _CSV, ".ndjson": _NDJSON, ".jsonl": _NDJSON, ".txt": _PLAIN}


def read_manifest(blocks: Iterable[bytes], media_type: str) -> Iterator[Entry]:
    """The photos of a manifest, in its order, in constant memory; the same one may come twice.

    A line is a URL or an s3:// URI; in CSV and NDJSON it may also be an object of `url` or `s3` and an `id`, which is
    then its key. Without one the key is the URL.

    Args:
        media_type: one of `MEDIA_TYPES`.

    Raises:
        RequestError: `line_invalid` with the number of the line. What came before must not be used either.
    """
    for number, value in MEDIA_TYPES[media_type](blocks):
        try:
            yield _entry(value)
        except ValueError as error:
            raise invalid_line(number, str(error)) from None


def media_type_of(declared: str, path: str, beginning: bytes) -> str:
    """What a manifest is, by what its server calls it, else by its name, else by its beginning.

    Args:
        declared: Content-Type.
        path: of its URL.
        beginning: its first bytes.
    """
    said = declared.partition(";")[0].strip().lower()
    if said in MEDIA_TYPES and said != _PLAIN:  # which servers say of anything
        return said
    ending = "." + path.rpartition(".")[2].lower()
    if ending in _BY_ENDING:
        return _BY_ENDING[ending]
    first = beginning.removeprefix(b"\xef\xbb\xbf").lstrip()
    if first[:1] in (b"{", b'"'):
        return _NDJSON
    header = first.splitlines()[0].decode("latin-1").lower() if first else ""
    names = {name.strip(' "') for name in header.replace(";", ",").replace("\t", ",").split(",")}
    return _CSV if names & set(COLUMNS) and names <= set(COLUMNS) else _PLAIN


def _entry(value: object) -> Entry:
    """The photo that a line names.

    Raises:
        ValueError: it names none.
    """
    fields = value if isinstance(value, dict) else {"url": value}
    given: dict[str, Any] = {name: field for name, field in fields.items() if field is not None}
    unknown = next((name for name in given if name not in COLUMNS), None)
    if unknown is not None:
        raise ValueError(f"a photo has no field {unknown[:50]!r}; it has url or s3, and perhaps id")
    if not all(isinstance(field, str) for field in given.values()):
        raise ValueError("a photo is a URL, or an object of texts")
    if ("url" in given) == ("s3" in given):
        raise ValueError("give exactly one of url and s3")
    kind, ref = _located(given)
    key = given.get("id", ref)
    if not key or not storable(key) or any(ord(sign) < 32 for sign in key):
        what = "an id has" if "id" in given else "a URL without an id has"
        raise ValueError(f"{what} 1 to {MAX_KEY_BYTES:,} bytes and no control characters")
    return Entry(key, locator={kind: ref})


def _located(given: dict[str, str]) -> tuple[str, str]:
    ref = given.get("s3", given.get("url", "")).strip(AROUND)
    try:
        if "s3" in given or ref[:5].lower() == "s3://":
            parse_s3_uri(ref)
            return "s3", ref
        check_url(ref)
    except ItemError as error:
        raise ValueError(error.message) from None
    return "url", ref
