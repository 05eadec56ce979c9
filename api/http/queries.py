"""Query parameters: read once each, by name, with a clear refusal."""

from __future__ import annotations

from werkzeug.datastructures import MultiDict

from core.errors import RequestError
from jobs.storable import UNSTORABLE


def check_names(args: MultiDict[str, str], known: set[str]) -> None:
    """Refuse parameters that are unknown or given twice: a typing error must not be ignored.

    Raises:
        RequestError: `parameter_unknown` or `parameter_invalid`.
    """
    for name in args:
        if name not in known:
            takes = ", ".join(sorted(known)) or "none"
            message = f"There is no parameter {name[:50]!r} here; there is: {takes}."
            raise RequestError("parameter_unknown", message, where=name[:50])
        if len(args.getlist(name)) > 1:
            raise RequestError("parameter_invalid", "Give it once.", where=name)


def int_parameter(args: MultiDict[str, str], name: str, low: int, high: int, default: int) -> int:
    """A whole number.

    Raises:
        RequestError: `parameter_invalid`.
    """
    text = args.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 10 and low <= int(text) <= high):
        raise RequestError("parameter_invalid", f"A whole number from {low} to {high}.", where=name)
    return int(text)


def numbers_parameter(args: MultiDict[str, str], name: str, most: int) -> list[int]:
    """The first `most` numbers of a list with commas between, as our own pages write it; what is none is left out."""
    parts = args.get(name, "").split(",", most)[:most]
    return [int(part) for part in parts if part.isascii() and part.isdigit() and len(part) < 19]


def choice_parameter(args: MultiDict[str, str], name: str, choices: tuple[str, ...]) -> str | None:
    """One of some words, or None if it is not given.

    Raises:
        RequestError: `parameter_invalid`.
    """
    text = args.get(name)
    if text is not None and text not in choices:
        raise RequestError("parameter_invalid", f"One of {', '.join(choices)}.", where=name)
    return text


def text_parameter(args: MultiDict[str, str], name: str, most: int) -> str | None:
    """A text of 1 to `most` characters that is not blank, or None if it is not given.

    Raises:
        RequestError: `parameter_invalid`.
    """
    text = args.get(name)
    if text is not None and (not text.strip() or len(text) > most or UNSTORABLE.search(text)):
        message = f"A text of up to {most} characters, not only spaces, without NUL."
        raise RequestError("parameter_invalid", message, where=name)
    return text
