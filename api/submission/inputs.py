"""Reading one input of a submission, from JSON or from a line, into an InputItem."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from core.errors import ItemError, RequestError
from core.folders.roots import FolderRoots
from core.inputs import InputItem, InputKind
from core.outbound.s3.uri import parse_s3_uri
from core.outbound.url_policy import AROUND
from core.tasks import Medium
from jobs.storable import check_text, escape

MAX_ID, MAX_URL, MAX_TEXT, MAX_UPLOAD, MAX_FILE = 200, 8192, 100_000, 100, 4096
CheckPath = Callable[[str], object]
no_files: Final = FolderRoots(()).locate
KINDS: Final[dict[Medium, tuple[InputKind, ...]]] = {
    "image": ("url", "s3", "s3_prefix", "upload", "file"),
    "text": ("text",),
}
LIMITS: Final[dict[str, int]] = {
    "url": MAX_URL,
    "s3": MAX_URL,
    "s3_prefix": MAX_URL,
    "upload": MAX_UPLOAD,
    "file": MAX_FILE,
    "text": MAX_TEXT,
}
KIND_NAMES: Final = ", ".join(LIMITS)


def parse_input(value: object, seq: int, medium: Medium, where: str, check_path: CheckPath = no_files) -> InputItem:
    """An input.

    Whether a URL can be fetched is found out later, and concerns that item alone.

    Args:
        value: a string (URL or s3:// URI for image tasks, the text for text tasks), or an object with an optional
            "id" and exactly one of the kinds (`LIMITS`).
        where: a JSON pointer or "line N", for errors.
        check_path: raises ItemError for the path of a file that may not be read, as far as this machine can tell; the
            worker, which reads it, has the last word.

    Raises:
        RequestError: `input_invalid`, `input_kind_mismatch` or `folder_not_allowed`.
    """
    if isinstance(value, str):
        kind: InputKind = "text" if medium == "text" else "url"
        return InputItem(seq, str(seq), *_located(kind, _checked(value, LIMITS[kind], where, kind)))
    if not isinstance(value, Mapping):
        raise RequestError("input_invalid", "An input is a string or an object.", where=where)
    given = {name: field for name, field in value.items() if field is not None}  # null is as good as absent
    return _parse_object(given, seq, medium, where, check_path)


def _parse_object(value: Mapping[str, Any], seq: int, medium: Medium, where: str, check_path: CheckPath) -> InputItem:
    unknown = next((name for name in value if name != "id" and name not in LIMITS), None)
    if unknown is not None:
        message = f"An input has no field {unknown[:50]!r}; it has id and one of {KIND_NAMES}."
        raise RequestError("input_invalid", message, where=_inside(where, unknown))
    kinds = [kind for kind in LIMITS if kind in value]
    if len(kinds) != 1:
        raise RequestError("input_invalid", f"Give exactly one of {KIND_NAMES}.", where=where)
    kind: InputKind = kinds[0]  # type: ignore[assignment]
    if kind not in KINDS[medium]:
        takes = ", ".join(KINDS[medium])
        message = f"These are {medium} tasks: they take {takes}, not {kind}."
        raise RequestError("input_kind_mismatch", message, where=_inside(where, kind))
    ref = _checked(value[kind], LIMITS[kind], _inside(where, kind), kind)
    if kind == "s3_prefix":
        ref = _prefix(ref, _inside(where, kind))
    if kind == "file":
        _check_place(ref, check_path, _inside(where, kind))
    item_id = _checked(value["id"], MAX_ID, _inside(where, "id"), "id") if "id" in value else str(seq)
    return InputItem(seq, item_id, *_located(kind, ref))


def _located(kind: InputKind, ref: str) -> tuple[InputKind, str]:
    """Kind and reference; an S3 URI that stands where a URL may is an object in S3, without the spaces around it."""
    trimmed = ref.strip(AROUND)
    return ("s3", trimmed) if kind == "url" and trimmed[:5].lower() == "s3://" else (kind, ref)


def _prefix(ref: str, where: str) -> str:
    try:
        parse_s3_uri(ref.strip(AROUND), prefix=True)
    except ItemError as error:
        raise RequestError("input_invalid", f"s3_prefix: {error.message}.", where=where) from None
    return ref.strip(AROUND)


def _check_place(path: str, check_path: CheckPath, where: str) -> None:
    try:
        check_path(path)
    except ItemError as error:
        raise RequestError(error.code, error.message, where=where) from None


def _checked(value: object, limit: int, where: str, what: str) -> str:
    if not isinstance(value, str):
        raise RequestError("input_invalid", f"{what} must be a string.", where=where)
    if not value and what == "text":
        return value  # fails alone, later: one empty text in a column of thousands refuses no submission
    if not 1 <= len(value) <= limit:
        found = "is empty" if not value else f"has {len(value):,} characters"
        raise RequestError("input_invalid", f"{what} {found}; it must have 1 to {limit:,}.", where=where)
    check_text(value, where)
    return value


def _inside(where: str, name: str) -> str:
    """The place of a field: a JSON pointer gets one part more; "line 17" stays, since the message names the field."""
    return f"{where}/{escape(name[:50])}" if where.startswith("/") else where
