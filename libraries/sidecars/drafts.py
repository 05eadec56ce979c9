"""Drafts: files that are written beside the one whose place they take, and never left behind for good.

A draft is locked (flock) for as long as its writer lives; the kernel lets go of the lock however that ends. So a draft
that can be locked is one that a killed writer has left.
"""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from time import time

from libraries.sidecars.sidecar_names import is_draft

_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_OLD = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EXDEV)
_TRIES = 5
_SURELY_LEFT_S = 3600.0  # where the drive knows no locks


@contextmanager
def new_draft(folder: int, name: str) -> Iterator[int]:
    """A descriptor of a new draft, for writing; at the end it is removed, unless it has another name by then.

    Raises:
        BlockingIOError: somebody else is writing it.
        OSError: it cannot be made.
    """
    descriptor = _opened(folder, name)
    try:
        yield descriptor
    finally:
        with suppress(OSError):
            if _has_name(descriptor, folder, name):
                os.unlink(name, dir_fd=folder)
        os.close(descriptor)


def put_in_place(folder: int, draft: str, name: str, *, over: bool) -> None:
    """Give a draft its final name; durable when this returns.

    Args:
        over: there is a file of that name, whose place it takes.

    Raises:
        FileExistsError: there is one, and there should be none.
    """
    if not over and _linked(folder, draft, name):
        os.unlink(draft, dir_fd=folder)
    else:
        os.rename(draft, name, src_dir_fd=folder, dst_dir_fd=folder)
    os.fsync(folder)


def sweep(folder: int) -> None:
    """Remove the drafts that killed writers have left in a folder; what cannot be removed stays."""
    with os.scandir(folder) as found:
        drafts = [one.name for one in found if is_draft(one.name)]
    for name in drafts:
        _remove_if_left(folder, name)


def _opened(folder: int, name: str) -> int:
    for _ in range(_TRIES):
        try:
            descriptor = os.open(name, _NEW, 0o600, dir_fd=folder)
        except FileExistsError:
            if not _remove_if_left(folder, name):
                break
            continue
        # Before it was locked, somebody may have taken it for one that was left.
        if _lock(descriptor) is not False and _has_name(descriptor, folder, name):
            return descriptor
        os.close(descriptor)
    raise BlockingIOError(errno.EAGAIN, "another writer is at it")


def _has_name(descriptor: int, folder: int, name: str) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(name, dir_fd=folder, follow_symlinks=False))
    except FileNotFoundError:
        return False


def _remove_if_left(folder: int, name: str) -> bool:
    """Remove a draft whose writer is dead; whether it is gone."""
    try:
        descriptor = os.open(name, _OLD, dir_fd=folder)
    except FileNotFoundError:
        return True
    except OSError as error:
        if error.errno != errno.ELOOP:
            return False
        os.unlink(name, dir_fd=folder)  # a link, and so none of ours
        return True
    try:
        locked = _lock(descriptor)
        left = os.fstat(descriptor).st_mtime < time() - _SURELY_LEFT_S if locked is None else locked
        if left:
            with suppress(FileNotFoundError):
                os.unlink(name, dir_fd=folder)
        return left
    except OSError:
        return False
    finally:
        os.close(descriptor)


def _lock(descriptor: int) -> bool | None:
    """Lock a file; False: somebody else has. None: locks are unknown here."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


def _linked(folder: int, draft: str, name: str) -> bool:
    """Give a file a second name, if nothing has it; False where the drive cannot."""
    try:
        os.link(draft, name, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=False)
    except OSError as error:
        if error.errno in _NO_LINKS:
            return False
        raise
    return True
