"""Photos on this machine, as the inputs of a job: each is uploaded, and one that cannot be fails no other."""

from __future__ import annotations

import json
import os
import secrets
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from cli.client.arguments import GivenInput, Photo
from cli.client.connection import Body, Client
from cli.client.parallel import run_parallel
from cli.client.problems import ApiProblem, Unreachable
from cli.terminal import Failure

_PARALLEL = 4
_BLOCK = 256 * 1024
_PHOTO_STATUS = (400, 406, 413, 415, 422)  # statuses about one photo alone
_PROBE_AFTER = 5  # broken connections, before the photo is suspected


class PhotoFailed(Failure):
    """A photo cannot be read or sent; the others are not concerned."""


def upload_all(
    client: Client, named: Sequence[GivenInput], done: Callable[[], None], skipped: Callable[[Photo, str], None]
) -> list[dict[str, str]]:
    """The inputs of a job, with every photo uploaded, a few at a time.

    Args:
        done: called after each.
        skipped: called for a photo that cannot be read, or that the server refuses; the others go on without it.
    """

    def one(item: GivenInput) -> dict[str, str] | None:
        try:
            return {"id": item.id, "upload": upload(client, item.path)} if isinstance(item, Photo) else item
        except PhotoFailed as failure:
            assert isinstance(item, Photo)
            skipped(item, failure.message)
            return None
        finally:
            done()

    return [made for made in run_parallel(one, named, _PARALLEL, client.stopping) if made]


def upload(client: Client, path: Path) -> str:
    """Upload a file and return its id. Read and sent block by block, whatever its size.

    Raises:
        PhotoFailed: it cannot be read, it is refused, or connections break whenever it is sent.
    """
    mark = secrets.token_hex(16)
    headers = {"Content-Type": f"multipart/form-data; boundary={mark}"}
    broken = ""

    def attempt(failures: int) -> str:
        nonlocal broken
        if broken and failures >= _PROBE_AFTER and client.is_answering():
            raise PhotoFailed(f"the server answers, but not to this photo: {broken}")
        try:
            answer, _ = client.once("POST", "/v1/uploads", body=lambda: _form(path, mark), headers=headers)
            return str(answer["id"])
        except ApiProblem as problem:
            if problem.status in _PHOTO_STATUS and not problem.transient:
                raise PhotoFailed(problem.message) from None
            broken = ""
            raise
        except Unreachable as failure:
            broken = failure.message
            raise
        except (KeyError, TypeError):
            raise Unreachable("what answers is not Tagline; is TAGLINE_URL right?", transient=False) from None

    return client.with_retries(attempt)


def as_lines(inputs: Iterable[dict[str, Any]]) -> Iterator[bytes]:
    """Inputs as NDJSON, for a submission that is too long for one JSON document."""
    for one in inputs:
        yield json.dumps(one).encode() + b"\n"


def _form(path: Path, mark: str) -> Body:
    """The file as the field `file` of multipart/form-data."""
    head = f'--{mark}\r\nContent-Disposition: form-data; name="file"; filename="photo"\r\n\r\n'.encode()
    foot = f"\r\n--{mark}--\r\n".encode()
    try:
        size = os.stat(path).st_size
    except OSError as error:
        raise _unreadable(error) from None

    def blocks() -> Iterator[bytes]:
        yield head
        yield from _content(path, size)
        yield foot

    return Body(blocks(), len(head) + size + len(foot))


def _content(path: Path, size: int) -> Iterator[bytes]:
    """The first `size` bytes of a file."""
    try:
        # It was a file when it was looked at. Opening what has become a pipe since must not wait for somebody to write.
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise PhotoFailed("it is no file any more")
            while size:
                block = file.read(min(size, _BLOCK))
                if not block:
                    raise PhotoFailed("it became shorter while it was read")
                size -= len(block)
                yield block
    except OSError as error:
        raise _unreadable(error) from None


def _unreadable(error: OSError) -> PhotoFailed:
    return PhotoFailed(f"cannot be read: {error.strerror}")
