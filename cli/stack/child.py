"""Starts a program that does not outlive whoever started it: `python child.py SIGNAL PARENT PROGRAM ARGS...`

Run by path and without site-packages, so that it costs a few milliseconds. It asks the kernel for SIGNAL at the
parent's death, then becomes the program: there is no process in between that could be killed instead.
"""

from __future__ import annotations

import ctypes
import os
import sys

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def main() -> None:
    number, parent, program = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
    prctl = getattr(ctypes.CDLL(None), "prctl", None)  # Linux only; elsewhere the next start cleans up
    if prctl is not None:
        prctl(_PR_SET_PDEATHSIG, number, 0, 0, 0)
    if os.getppid() != parent:  # it died before we asked
        sys.exit(1)
    try:
        os.execvp(program[0], program)
    except OSError as error:
        sys.exit(f"cannot run {program[0]}: {error.strerror}")


if __name__ == "__main__":
    main()
