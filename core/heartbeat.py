"""A file that a living process touches, so that its supervisor can tell one that hangs from one that works."""

from __future__ import annotations

from pathlib import Path

BEAT_S = 5.0  # touched at least this often


class Heartbeat:
    """Touches the file of the setting `heartbeat_file`; does nothing without one.

    To be called from the loop that does the process's work, so that a stuck process does not look alive.
    """

    def __init__(self, path: str) -> None:
        self._path = Path(path) if path else None

    def beat(self) -> None:
        """Show that the process works. A full disk is no reason to end it."""
        if self._path is None:
            return
        try:
            self._path.touch()  # an existing file gets the time of now
        except OSError:
            pass
