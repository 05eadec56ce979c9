"""Telling our own shortages from other people's faults: no file descriptors, ports, memory or threads left here.

What fails for want of them says nothing about the input or its host, and passes.
"""

from __future__ import annotations

import errno
import re
import socket

from core.errors import ItemError

OUR_ERRNOS = frozenset(
    {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.ENOSPC, errno.EDQUOT, errno.EADDRNOTAVAIL}
)
# How libraries that wrap the system's error print it: Python's own, botocore's, and those written in Rust.
_PRINTED = re.compile(r"\[Errno (\d+)\]|\(os error (\d+)\)")
_NO_THREAD = "can't start new thread"  # CPython's words; there is no class for it


def worker_resources() -> ItemError:
    """The error of an item that met a shortage of this machine."""
    message = "the worker is out of file descriptors, ports, memory or threads; the input is not to blame"
    return ItemError("worker_resources", message, permanent=False)


def is_shortage(error: BaseException | None) -> bool:
    """Whether an error, or what caused it, is a shortage of this machine."""
    while error is not None:
        if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno in OUR_ERRNOS):
            return True
        if isinstance(error, RuntimeError) and _NO_THREAD in str(error):
            return True
        if any(int(match[1] or match[2]) in OUR_ERRNOS for match in _PRINTED.finditer(str(error))):
            return True
        error = error.__cause__ or error.__context__
    return False


def out_of_descriptors() -> bool:
    """Whether a look-up or a connection would fail here and now for want of file descriptors.

    For libraries that report any failure of theirs as the other side's: what they needed is tried again.
    """
    opened: list[socket.socket] = []
    try:
        for _ in range(2):
            opened += socket.socketpair()
    except OSError as error:
        return error.errno in OUR_ERRNOS
    finally:
        for one in opened:
            one.close()
    return False
