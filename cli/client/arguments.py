"""What a person names on the command line: URLs, photos, folders, or a list."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote

from cli.client.files import SYSTEM_WHY, LeftOut, photos_below, why_unreadable
from cli.terminal import Failure
from core.images.file_names import is_system

LISTS = {
    ".txt": "text/plain",
    ".csv": "text/csv",
    ".ndjson": "application/x-ndjson",
    ".jsonl": "application/x-ndjson",
}
_REMOTE = {"http://": "url", "https://": "url", "s3://": "s3", "file:///": "file"}
_ID_MAX = 200
_BLOCK = 64 * 1024
_IN_MEMORY = 1024 * 1024
_STDIN = 0


class Listing:
    """A list that is sent as it is, as often as it takes.

    Attributes:
        media_type: what it is.
    """

    def __init__(self, source: str, media_type: str) -> None:
        self.media_type = media_type
        self._source = source
        self._copy = tempfile.SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115
        self._kept = True

    def close(self) -> None:
        """Drop the copy of what came through a pipe."""
        self._copy.close()

    def blocks(self) -> Iterator[bytes]:
        """Its bytes, from the beginning.

        Raises:
            Failure: it cannot be read.
        """
        try:
            yield from self._input() if self._source == "-" else self._file()
        except OSError as error:
            source = "standard input" if self._source == "-" else printable(self._source)
            raise Failure(f"cannot read {source}: {error.strerror}") from None

    def _file(self) -> Iterator[bytes]:
        with open(self._source, "rb") as file:
            yield from iter(lambda: file.read(_BLOCK), b"")

    def _input(self) -> Iterator[bytes]:
        """Standard input, which can be read only once: what was read is kept in a file for another try."""
        if not self._kept:
            raise Failure("the list came through a pipe, and there was no room to keep it for another try", 3)
        self._copy.seek(0)
        while block := self._copy.read(_BLOCK):
            yield block
        while block := os.read(_STDIN, _BLOCK):
            self._keep(block)
            yield block

    def _keep(self, block: bytes) -> None:
        try:
            if self._kept:
                self._copy.write(block)
        except OSError:
            self._kept = False


@dataclass(frozen=True, slots=True)
class Photo:
    """An image file to upload; its id in the results is its name as it was given."""

    path: Path
    id: str


GivenInput = dict[str, str] | Photo


def as_listing(arguments: Sequence[str], given_type: str | None) -> Listing | None:
    """The list that the arguments name, or None if they name inputs.

    Raises:
        Failure: a list beside something else.
    """
    lists = [one for one in arguments if one == "-" or _names_list(one)]
    if not lists:
        return None
    if len(arguments) > 1:
        raise Failure(f"{printable(lists[0])} is a list and is submitted alone", 2)
    default = "text/plain" if lists[0] == "-" else LISTS[Path(lists[0]).suffix.lower()]
    if lists[0] != "-" and not os.path.isfile(lists[0]):
        raise Failure(f"there is no file {printable(lists[0])}", 2)
    return Listing(lists[0], given_type or default)


def read_arguments(arguments: Sequence[str]) -> Iterator[GivenInput | LeftOut]:
    """URLs, image files and the photos in folders, in the order in which they were named; and what is left out.

    Raises:
        Failure: something that is none of them; exit code 2.
    """
    for one in arguments:
        kind, path = _kind(one), Path(one)
        if kind == "file":  # of the server's, which a URL names
            yield {kind: printable(unquote(one.strip().partition("://")[2]))}
        elif kind == "s3" and one.strip().endswith("/"):
            yield {"s3_prefix": _sendable(one.strip(), kind)}
        elif kind:
            yield {kind: _sendable(one.strip(), kind)}
        elif len(arguments) > 1 and is_system(path.name):
            yield LeftOut(path, SYSTEM_WHY)  # named by a pattern (photos/*), not by a person
        elif os.path.isdir(one):
            for found in photos_below(path):
                yield found if isinstance(found, LeftOut) else Photo(found, item_id(str(found.relative_to(path))))
        elif _is_there(one):
            yield why_unreadable(path) or Photo(path, item_id(one))
        else:
            raise Failure(f"{printable(one)}: neither a URL nor a file", 2)


def item_id(name: str) -> str:
    """A file's name as the id of an input: text, at most 200 characters, and another one for another name."""
    text = printable(name)
    if len(text) <= _ID_MAX:
        return text
    mark = hashlib.sha256(os.fsencode(name)).hexdigest()[:12]
    return f"{mark}…{text[-(_ID_MAX - 13) :]}"


def printable(name: str) -> str:
    r"""A file name as text that can be printed and sent; a byte that is not UTF-8 becomes \xe9, for example."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _names_list(argument: str) -> bool:
    return not _kind(argument) and Path(argument).suffix.lower() in LISTS and not os.path.isdir(argument)


def _is_there(path: str) -> bool:
    """Whether the path exists, as a broken link too; also where permission to look is missing."""
    try:
        os.lstat(path)
    except OSError as error:
        return isinstance(error, PermissionError)
    return True


def _sendable(reference: str, kind: str) -> str:
    """A URL or S3 URI as text. In a URL, bytes that are not UTF-8 are percent-encoded."""
    if reference.isprintable():
        return reference
    if kind == "s3":
        return printable(reference)
    return "".join(quote(os.fsencode(one)) if "\udc80" <= one <= "\udcff" else one for one in reference)


def _kind(argument: str) -> str | None:
    return next((kind for start, kind in _REMOTE.items() if argument.strip().lower().startswith(start)), None)
