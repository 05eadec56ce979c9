"""What the supervised processes write: one file each, kept small, and read back when somebody wants to see it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

LIMIT_BYTES = 20 * 1024 * 1024
KEPT = 2
_READ_AT_ONCE = 256 * 1024


class LogFile:
    """The log of one process.

    The process holds the file itself, so that its last words are kept even if the supervisor is gone. It appends,
    hence the file can be copied away and truncated under it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._run_at = 0  # where the present run begins
        self._seen = self._size()  # up to where lines were handed out

    def open(self) -> int:
        """A descriptor to append to, for a process that starts now; the caller closes it."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._run_at = self._size()
        return os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def keep_small(self, limit: int = LIMIT_BYTES) -> None:
        """Move what is written to NAME.log.1 once it is too much; two old files are kept."""
        if self._size() <= limit:
            return
        for number in range(KEPT, 1, -1):
            older = self._numbered(number - 1)
            if older.exists():
                older.replace(self._numbered(number))
        shutil.copyfile(self.path, self._numbered(1))
        os.truncate(self.path, 0)
        self._run_at = self._seen = 0

    def tail(self, lines: int = 12) -> list[str]:
        """The last lines of the present run."""
        start = max(self._run_at, self._size() - _READ_AT_ONCE)
        return self._read(start).decode(errors="replace").splitlines()[-lines:]

    def news(self) -> list[str]:
        """The whole lines written since the last call."""
        if self._size() < self._seen:
            self._seen = 0
        data = self._read(self._seen)
        end = data.rfind(b"\n") + 1
        self._seen += end
        return data[:end].decode(errors="replace").splitlines()

    def _numbered(self, number: int) -> Path:
        return self.path.with_name(f"{self.path.name}.{number}")

    def _size(self) -> int:
        return self.path.stat().st_size if self.path.exists() else 0

    def _read(self, start: int) -> bytes:
        if not self.path.exists():
            return b""
        with self.path.open("rb") as file:
            file.seek(start)
            return file.read(_READ_AT_ONCE)
