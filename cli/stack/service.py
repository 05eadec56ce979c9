"""One supervised process: started, watched, started again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic

from cli.stack import child
from cli.stack.logfiles import LogFile

BACKOFF_S = (0.5, 10.0)  # the first and the longest wait before a restart
HANGS_S = 40.0  # without a heartbeat, which comes every few seconds
SETTLED_S = 30.0  # having run this long, a process starts afresh with the shortest wait


def start_child(
    command: Sequence[str],
    environment: Mapping[str, str],
    *,
    cwd: Path,
    stdout: int,
    stderr: int,
    death_signal: int = signal.SIGKILL,
) -> subprocess.Popen[bytes]:
    """Start a process that dies with us. Call from the main thread: the kernel watches the thread that forked.

    It gets a process group of its own, so that Ctrl-C reaches only the supervisor, which ends things in order.
    """
    launcher = [sys.executable, "-I", "-S", str(Path(child.__file__)), str(int(death_signal)), str(os.getpid())]
    return subprocess.Popen(
        [*launcher, *command],
        env={**os.environ, **environment},  # handed on as it is, not read
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=stderr,
        process_group=0,
    )


@dataclass(slots=True)
class Service:
    """What to run, and how the present run is going.

    Attributes:
        death_signal: what it gets when the supervisor dies.
        reloads: SIGHUP makes it load what is new.
        heartbeat: a file that it touches while it works; None if it has none.
        before_start: called with the number of failures in a row.
    """

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    log: LogFile
    cwd: Path
    death_signal: int = signal.SIGKILL
    reloads: bool = False
    heartbeat: Path | None = None
    before_start: Callable[[int], None] = field(default=lambda failures: None)
    process: subprocess.Popen[bytes] | None = None
    failures: int = 0
    due: float = 0.0  # when to start it
    _started: float = 0.0
    _beat: int = 0  # when the heartbeat was, by the file
    _beat_seen: float = 0.0  # and when we saw that, by a clock that stands still while the machine sleeps

    def start(self) -> None:
        """Start it now."""
        self.before_start(self.failures)
        self.log.keep_small()
        out = self.log.open()
        try:
            self.process = start_child(
                self.command, self.environment, cwd=self.cwd, stdout=out, stderr=out, death_signal=self.death_signal
            )
        finally:
            os.close(out)
        self._started = monotonic()
        self._beat = 0

    def hangs(self) -> bool:
        """Whether it has shown that it works, and has not shown it for too long since."""
        if self.heartbeat is None or not self.running:
            return False
        try:
            beat = self.heartbeat.stat().st_mtime_ns
        except OSError:
            return False
        if beat != self._beat:
            self._beat, self._beat_seen = beat, monotonic()
        return monotonic() - self._beat_seen > HANGS_S

    def died(self) -> str | None:
        """How it ended, if it has ended since the last call; then it is due again after a wait."""
        if self.process is None:
            return None
        code = self.process.poll()
        if code is None:
            return None
        self.process = None
        self.failures = 1 if monotonic() - self._started > SETTLED_S else self.failures + 1
        self.due = monotonic() + self.wait_s
        return ending(code)

    @property
    def wait_s(self) -> float:
        """Seconds between its death and its next start."""
        first, longest = BACKOFF_S
        return float(min(longest, first * 2 ** (self.failures - 1)))

    def signal(self, number: int) -> None:
        """Send a signal, if it runs."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(number)

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None


def ending(code: int) -> str:
    """How a process ended, in words."""
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        return f"was killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"was killed by signal {-code}"
