"""Opening what lies below the roots, step by step from the root's descriptor, following no link on the way.

The path is resolved first, so that no link is left on it; one that appears between the look and the opening makes a
step fail, and the path is resolved anew. What is opened is therefore below the root, whatever others do meanwhile.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

from core.errors import ItemError
from core.folders.roots import FolderRoots, Place, not_allowed
from core.shortage import OUR_ERRNOS

T = TypeVar("T")
_TRIES = 5  # where somebody changes links while we look
_STEP = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_BLOCK = 1024 * 1024


def read_file(roots: FolderRoots, path: str, max_bytes: int) -> tuple[bytes, os.stat_result]:
    """A file's bytes, and what the system told of it before they were read.

    Raises:
        ItemError: `folder_not_allowed`, `folder_unavailable`, `file_not_found`, `file_not_regular`, `file_unreadable`,
            `fetch_too_large`.
        OSError: this machine is short of something (core/shortage.py).
    """
    with opened_file(roots, path) as descriptor:
        return explained(lambda: read_descriptor(descriptor, max_bytes))


@contextmanager
def opened_file(roots: FolderRoots, path: str) -> Iterator[int]:
    """A descriptor of a regular file, for reading; raises as `read_file`."""

    def enter(place: Place) -> int:
        parent, name = _parent(place)
        try:
            return open_regular(parent, name)
        finally:
            os.close(parent)

    descriptor = _entered(roots, path, enter)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def opened_folder(roots: FolderRoots, path: str) -> Iterator[int]:
    """A descriptor of a folder, for reading its names; raises as `read_file`."""
    descriptor = _entered(roots, path, lambda place: _walk(place.root, place.names, FOLDER))
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def opened_parent(roots: FolderRoots, path: str) -> Iterator[tuple[int, str]]:
    """A descriptor of the folder that a path's file lies in, links resolved, and the file's name in it; raises as
    `read_file`. The file itself need not be there."""
    parent, name = _entered(roots, path, _parent)
    try:
        yield parent, name
    finally:
        os.close(parent)


def open_regular(parent: int, name: str) -> int:
    """A descriptor of a regular file in a folder; links are not followed, pipes and devices are not even opened.

    Raises:
        ItemError: `file_not_regular`.
        OSError: it cannot be opened.
    """
    _check_regular(os.stat(name, dir_fd=parent, follow_symlinks=False))
    descriptor = os.open(name, _FILE, dir_fd=parent)
    try:
        _check_regular(os.fstat(descriptor))
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def read_descriptor(descriptor: int, max_bytes: int) -> tuple[bytes, os.stat_result]:
    """The bytes of an open file, and what the system told of it before.

    Raises:
        ItemError: `fetch_too_large`.
        OSError: it cannot be read.
    """
    found = os.fstat(descriptor)
    parts: list[bytes] = []
    size = found.st_size
    # One more than is allowed: it may have grown since.
    left = max_bytes + 1
    while size <= max_bytes and left > 0 and (block := os.read(descriptor, min(_BLOCK, left))):
        parts.append(block)
        left -= len(block)
    if size > max_bytes or left <= 0:
        raise ItemError("fetch_too_large", f"this file has more than {max_bytes} bytes")
    return b"".join(parts), found


def explained(do: Callable[[], T]) -> T:
    """What `do` returns; the system's refusals as errors of the item.

    Raises:
        ItemError: as `read_file`.
        OSError: this machine is short of something.
    """
    try:
        return do()
    except OSError as error:
        raise _meaning(error) from error


def file_etag(found: os.stat_result) -> str:
    """Size and time of a file as one text: of equal ones the bytes are equal, as far as the system knows."""
    return f"{found.st_size:x}-{found.st_mtime_ns:x}"


def _entered(roots: FolderRoots, path: str, enter: Callable[[Place], T]) -> T:
    """What `enter` makes of the place that a path leads to; looked up anew when links change under its hands."""
    for _ in range(_TRIES - 1):
        try:
            return enter(roots.locate(path))
        except OSError as error:
            if error.errno not in (errno.ELOOP, errno.ENOTDIR):
                raise _meaning(error) from error
    return explained(lambda: enter(roots.locate(path)))


def _parent(place: Place) -> tuple[int, str]:
    if not place.names:
        raise ItemError("file_not_regular", "this is one of the folders themselves, and no file in them")
    return _walk(place.root, place.names[:-1], _STEP), place.names[-1]


def _walk(root: str, names: tuple[str, ...], last: int) -> int:
    """A descriptor of the folder below a root that these names lead to, opened with the flags `last`."""
    try:
        top = os.open(root, _STEP)
    except OSError as error:
        if error.errno in OUR_ERRNOS:
            raise
        message = f"the folder cannot be opened on this worker ({error.strerror}); is its disk mounted?"
        raise ItemError("folder_unavailable", message, permanent=False) from error
    try:
        return step_down(top, names, last)
    finally:
        os.close(top)


def step_down(folder: int, names: Sequence[str | bytes], last: int = FOLDER) -> int:
    """A descriptor of the folder that these names lead to from an open one, following no link.

    Args:
        last: the flags that it is opened with.

    Raises:
        OSError: a step is not possible; ELOOP for a link.
    """
    here = os.open(".", _STEP if names else last, dir_fd=folder)
    for number, name in enumerate(names, 1):
        try:
            there = _step(here, name, last if number == len(names) else _STEP)
        finally:
            os.close(here)
        here = there
    return here


def _step(here: int, name: str | bytes, flags: int) -> int:
    try:
        return os.open(name, flags, dir_fd=here)
    except NotADirectoryError:  # what Linux says of a link, too, where only a folder will do
        if stat.S_ISLNK(os.stat(name, dir_fd=here, follow_symlinks=False).st_mode):
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP)) from None
        raise


def _check_regular(found: os.stat_result) -> None:
    if stat.S_ISLNK(found.st_mode):
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
    if not stat.S_ISREG(found.st_mode):
        raise ItemError("file_not_regular", "this is a folder, a pipe, a socket or a device, and no file")


def _meaning(error: OSError) -> Exception:
    """What a refusal of the system means for whoever asked for a file."""
    if error.errno in OUR_ERRNOS:
        return error
    if error.errno == errno.ELOOP:
        return not_allowed()
    if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG):
        return ItemError("file_not_found", "there is no such file")
    if error.errno in (errno.EACCES, errno.EPERM):
        return ItemError("file_unreadable", "this file may not be read by the worker")
    return ItemError("file_unreadable", f"this file cannot be read: {error.strerror}", permanent=False)
