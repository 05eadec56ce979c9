"""What a person names on the command line, as the inputs of a job."""

from __future__ import annotations

import json
import mimetypes
import os
import secrets
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cli.client.connection import ApiProblem, Client
from cli.terminal import Failure

LISTS = {
    ".txt": "text/plain",
    ".csv": "text/csv",
    ".ndjson": "application/x-ndjson",
    ".jsonl": "application/x-ndjson",
}
IMAGES = frozenset(
    (
        ".jpg",
        ".jpeg",
        ".jpe",
        ".jfif",
        ".png",
        ".gif",
        ".webp",
        ".bmp",
        ".dib",
        ".tif",
        ".tiff",
        ".heic",
        ".heif",
        ".avif",
        ".jp2",
        ".j2k",
        ".ico",
        ".ppm",
        ".pgm",
        ".tga",
    )
)
_REMOTE = {"http://": "url", "https://": "url", "s3://": "s3"}
_AT_A_TIME = 4
_ID_MAX = 200
_BLOCK = 64 * 1024


@dataclass(frozen=True, slots=True)
class Listing:
    """A list that is sent as it is: where it comes from and what it is."""

    source: str
    media_type: str

    def blocks(self) -> Iterator[bytes]:
        """Its bytes."""
        if self.source == "-":
            yield from iter(lambda: os.read(sys.stdin.fileno(), _BLOCK), b"")
            return
        with open(self.source, "rb") as file:
            yield from iter(lambda: file.read(_BLOCK), b"")


@dataclass(frozen=True, slots=True)
class Photo:
    """An image file to upload; its id in the results is its name as it was given."""

    path: Path
    id: str


Named = dict[str, str] | Photo


def as_listing(arguments: Sequence[str], given_type: str | None) -> Listing | None:
    """The list that the arguments name, or None if they name inputs.

    Raises:
        Failure: a list beside something else.
    """
    lists = [one for one in arguments if one == "-" or (not _kind(one) and Path(one).suffix.lower() in LISTS)]
    if not lists:
        return None
    if len(arguments) > 1:
        raise Failure(f"{lists[0]} is a list and is submitted alone", 2)
    default = "text/plain" if lists[0] == "-" else LISTS[Path(lists[0]).suffix.lower()]
    if lists[0] != "-" and not Path(lists[0]).is_file():
        raise Failure(f"there is no file {lists[0]}", 2)
    return Listing(lists[0], given_type or default)


def read_arguments(arguments: Sequence[str]) -> list[Named]:
    """URLs, image files and the images in folders, in the order in which they were named.

    Raises:
        Failure: something that is none of them.
    """
    named: list[Named] = []
    for one in arguments:
        kind, path = _kind(one), Path(one)
        if kind:
            named.append({kind: one})
        elif path.is_dir():
            named += [Photo(file, str(file.relative_to(path))) for file in images_below(path)]
        elif path.is_file():
            named.append(Photo(path, one))
        else:
            raise Failure(f"{one}: neither a URL nor a file", 2)
    if not named:
        raise Failure("there is no image in there", 2)
    return named


def images_below(folder: Path) -> list[Path]:
    """Every image file in a folder and its subfolders, by name."""
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in IMAGES and path.is_file())


def upload_all(
    client: Client, named: Sequence[Named], done: Callable[[], None], skipped: Callable[[Photo, str], None]
) -> list[dict[str, str]]:
    """The inputs of a job, with every photo uploaded, a few at a time.

    Args:
        done: called after each.
        skipped: called for a photo that the server refuses; the others go on without it.
    """

    def one(item: Named) -> dict[str, str] | None:
        try:
            return {"id": item.id[-_ID_MAX:], "upload": upload(client, item.path)} if isinstance(item, Photo) else item
        except ApiProblem as problem:
            if not isinstance(item, Photo) or problem.status not in (400, 413, 422):
                raise
            skipped(item, problem.message)
            return None
        finally:
            done()

    with ThreadPoolExecutor(_AT_A_TIME, "upload") as pool:
        try:
            return [made for made in pool.map(one, named) if made]
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def upload(client: Client, path: Path) -> str:
    """Upload a file and return its id."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise Failure(f"cannot read {path}: {error.strerror}") from None
    mark = secrets.token_hex(16)
    kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    head = f'--{mark}\r\nContent-Disposition: form-data; name="file"; filename="photo"\r\nContent-Type: {kind}\r\n\r\n'
    body = head.encode() + data + f"\r\n--{mark}--\r\n".encode()
    answer = client.insist(
        "POST", "/v1/uploads", body=body, headers={"Content-Type": f"multipart/form-data; boundary={mark}"}
    )
    return str(answer["id"])


def as_lines(inputs: Iterable[dict[str, Any]]) -> Iterator[bytes]:
    """Inputs as NDJSON, for a submission that is too long for one JSON document."""
    for one in inputs:
        yield json.dumps(one).encode() + b"\n"


def _kind(argument: str) -> str | None:
    return next((kind for start, kind in _REMOTE.items() if argument.lower().startswith(start)), None)
