"""Processes whose parent is gone: adopted while we live, found and ended at the next start if we did not.

Children die with the supervisor (cli/stack/child.py), but not what they forked themselves: the web server's worker
process outlives a kill -9 of its parent and keeps the port. Linux only; elsewhere there is nothing to see here.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

MARK = "TAGLINE_SUPERVISED"  # in the environment of all that a supervisor starts: its data folder
_PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h
_PROC = Path("/proc")
_THREADS = 17  # their number in /proc/PID/stat, counted from the state


def adopt_orphans() -> None:
    """Become the parent of every descendant whose own parent dies."""
    prctl = getattr(ctypes.CDLL(None), "prctl", None)
    if prctl is not None:
        prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def end_adopted(known: set[int]) -> None:
    """Kill and reap our children that we did not start ourselves."""
    for pid in list(_children_of(os.getpid())):
        if pid not in known:
            _kill(pid)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, 0)


def sweep(data_dir: Path, within_s: float = 5.0) -> int:
    """Kill what a supervisor of this data folder left behind, and wait until it is gone.

    Call it while holding the folder's lock: then nobody alive owns these processes.

    Returns:
        How many there were.
    """
    found = list(marked(data_dir))
    for pid in found:
        _kill(pid)
    deadline = time.monotonic() + within_s
    while any(running(pid) for pid in found) and time.monotonic() < deadline:
        time.sleep(0.02)
    return len(found)


def marked(data_dir: Path) -> Iterator[int]:
    """What a supervisor of this data folder has started and still runs, grandchildren included."""
    mark = f"{MARK}={data_dir}".encode()
    for pid in _pids():
        if pid != os.getpid():
            with contextlib.suppress(OSError):  # somebody else's, or just gone
                if running(pid) and mark in (_PROC / str(pid) / "environ").read_bytes().split(b"\0"):
                    yield pid


def _children_of(parent: int) -> Iterator[int]:
    for pid in _pids():
        state = _stat(pid)
        if state and int(state[1]) == parent:
            yield pid


def running(pid: int) -> bool:
    """Whether a process still holds its files: one whose first thread is dead does until its last one is, too."""
    state = _stat(pid)
    return bool(state) and (state[0] != "Z" or int(state[_THREADS]) > 1)


def _stat(pid: int) -> list[str]:
    """State, parent and the rest of /proc/PID/stat, after the name in brackets; empty if there is no such process."""
    try:
        return (_PROC / str(pid) / "stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return []


def _pids() -> list[int]:
    try:
        return [int(name) for name in os.listdir(_PROC) if name.isdigit()]
    except OSError:
        return []


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, signal.SIGKILL)
