"""Keeps services running, and ends them in order. One thread: the kernel ties a child to the thread that made it."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from types import FrameType

from cli.stack.orphans import end_adopted
from cli.stack.service import Service
from cli.terminal import note, quote, warn
from core.sighup import remember_terminal
from core.startup import SIGN

TICK_S = 0.1
_HOUSEKEEPING_S = 10.0
_QUOTED_LINES, _QUOTED_CHARS = 6, 200  # of a log, when its writer has died; the rest is in the file


class Stopped(Exception):
    """Somebody asked us to stop while we were waiting for something else."""


class WrongSettings(Exception):
    """A process of ours cannot use a setting: starting it again would change nothing."""


class Supervisor:
    """Runs services until it is told to stop.

    Args:
        verbose: show what they write.

    Attributes:
        ready: they have all worked with these settings. What ends for a setting's sake before that ends everything;
            after it (somebody has removed a model, say) it is started again like anything else, until it works.
    """

    def __init__(self, *, verbose: bool) -> None:
        self._verbose = verbose
        self._services: list[Service] = []
        self._asked = 0  # how often we were asked to stop
        self._tidy_at = 0.0
        self._guest = 0  # a process that is ours, though no service
        self._terminal_gone: Callable[[], bool] = lambda: False
        self._reload = False  # whether we were asked to
        self.ready = False

    def listen(self) -> None:
        """Take SIGTERM and SIGINT as the wish to stop; a second one hurries.

        SIGHUP is handed on to the services that reload at it, unless it says that our terminal is gone: then it, too,
        means to stop.
        """
        self._terminal_gone = remember_terminal()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._ask)
        signal.signal(signal.SIGHUP, self._hang_up)

    def _hang_up(self, number: int, frame: FrameType | None) -> None:
        if self._terminal_gone():
            self._ask(number, frame)
        else:
            self._reload = True

    def _ask(self, number: int, frame: FrameType | None) -> None:
        self._asked += 1

    def add(self, service: Service) -> None:
        """Start a service and keep it running."""
        self._services.append(service)
        service.start()

    def wait_until(self, condition: Callable[[], bool], *, every_s: float = TICK_S) -> None:
        """Keep the services running until a condition holds.

        Raises:
            Stopped: we were asked to stop first.
            WrongSettings: a service has told that it cannot use a setting.
        """
        ask_at = 0.0
        while True:
            if time.monotonic() >= ask_at:
                if condition():
                    return
                ask_at = time.monotonic() + every_s
            self._tick()
            time.sleep(TICK_S)

    def wait_for(self, process: subprocess.Popen[bytes]) -> int:
        """Keep the services running until another process of ours has ended; its exit code.

        Raises:
            Stopped: we were asked to stop first; the process has been killed.
        """
        self._guest = process.pid
        try:
            self.wait_until(lambda: process.poll() is not None)
        except Stopped:
            process.kill()
            raise
        finally:
            self._guest = 0
        return process.wait()

    def _tick(self) -> None:
        """Restart what has died and is due.

        Raises:
            Stopped: we were asked to stop.
        """
        if self._asked:
            raise Stopped
        if self._reload:
            self._reload = False
            self._hand_on_reload()
        for service in self._services:
            if service.hangs():
                warn(f"{service.name} hangs; ending it")
                service.signal(signal.SIGKILL)
            how = service.died()
            if how:
                self._mourn(service, how)
            elif service.process is None and time.monotonic() >= service.due:
                service.start()
                note(f"{service.name} runs again")
            if self._verbose:
                quote(service.name, service.log.news())
        if time.monotonic() >= self._tidy_at:
            self._tidy_at = time.monotonic() + _HOUSEKEEPING_S
            for service in self._services:
                service.log.keep_small()

    def _hand_on_reload(self) -> None:
        for service in self._services:
            if service.reloads and service.running:
                service.signal(signal.SIGHUP)
                note(f"{service.name} was asked to load what is new; see {service.log.path}")

    def _mourn(self, service: Service, how: str) -> None:
        self._end_adopted()  # what it left behind may hold its port
        wrong = None if self.ready else wrong_settings(service.log.tail())
        if wrong:
            raise WrongSettings(wrong)
        warn(f"{service.name} {how}; starting it again in {service.wait_s:g} s ({service.log.path})")
        if not self._verbose:
            quote(service.name, service.log.tail(_QUOTED_LINES), most=_QUOTED_CHARS)

    def stop(self, phases: Sequence[tuple[Sequence[str], float]]) -> bool:
        """End the services, phase by phase, and kill those that take too long.

        Args:
            phases: names, and the seconds from now by which they must have ended.

        Returns:
            Whether all of them ended by themselves.
        """
        began, calm = time.monotonic(), self._asked
        clean = True
        for names, seconds in phases:
            group = [service for service in self._services if service.name in names]
            for service in group:
                service.signal(signal.SIGTERM)
            while any(service.running for service in group):
                if time.monotonic() - began > seconds or self._asked > max(calm, 1):
                    clean = False
                    break
                time.sleep(0.02)
            for service in group:
                self._kill(service)
        self._end_adopted()
        return clean

    def _kill(self, service: Service) -> None:
        if service.process is not None:
            if service.running:
                warn(f"{service.name} does not end; killed")
                service.signal(signal.SIGKILL)
            service.process.wait()

    def _end_adopted(self) -> None:
        ours = {service.process.pid for service in self._services if service.process is not None}
        end_adopted(ours | {self._guest})


def wrong_settings(lines: Sequence[str]) -> str | None:
    """What a process said of a wrong setting in its last lines (core/startup.py), or None."""
    found = (line.removeprefix("error: ") for line in lines if line.startswith(SIGN))
    return next(found, None)
