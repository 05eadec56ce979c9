"""What SIGHUP means: "load what is new", unless the terminal that a process was started in is gone."""

from __future__ import annotations

import os
from collections.abc import Callable


def remember_terminal() -> Callable[[], bool]:
    """Note the terminal of this process; the function returned says whether there was one that has gone since.

    A terminal that is closed sends SIGHUP to what runs in it; from then on its descriptors are no terminal's.
    """
    terminal = next((descriptor for descriptor in (0, 1, 2) if os.isatty(descriptor)), None)
    return lambda: terminal is not None and not os.isatty(terminal)
