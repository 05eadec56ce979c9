"""Workers and schedulers as processes, as they run in production, on servers that the test provides."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from db import workers
from db.engine import Database
from tests.support.waiting import until

WORKER = ["-m", "celery", "-A", "worker.process.celery_app", "worker", "--pool", "threads", "--concurrency", "4"]
QUIET = ["-Q", "image,text", "--without-gossip", "--without-mingle", "--without-heartbeat"]
ROOT = Path(__file__).resolve().parents[2]


class Process:
    """A child with its log; killed by its own id only."""

    def __init__(self, arguments: list[str], env: dict[str, str], log: Path) -> None:
        self._log = log
        with log.open("ab") as out:
            self.popen = subprocess.Popen(
                [sys.executable, *arguments], env={**os.environ, **env}, stdout=out, stderr=out, cwd=ROOT
            )

    def kill(self) -> None:
        """As kill -9."""
        self.popen.send_signal(signal.SIGKILL)
        self.popen.wait()

    def stop(self) -> int:
        """As an orderly shutdown; returns the exit code."""
        self.popen.terminate()
        try:
            return self.popen.wait(timeout=180)
        except subprocess.TimeoutExpired:
            self.kill()
            raise

    def log(self) -> str:
        return self._log.read_text(errors="replace")


class Stack:
    """Starts and stops processes that share a configuration."""

    def __init__(self, env: dict[str, str], logs: Path, database: Database) -> None:
        self.env = {"TAGLINE_LOG_FORMAT": "text", **env}
        self.database = database
        self._logs = logs
        self._started: list[Process] = []

    def worker(self, name: str = "", **env: str) -> Process:
        """A worker that is ready for work."""
        before = self._alive()  # by name: one that was killed counts as alive for a while, and then no more
        process = self.start_worker(**env, **({"TAGLINE_WORKER_NAME": name} if name else {}))
        until(lambda: self._alive() - before or process.popen.poll() is not None, what="a worker that is alive")
        assert process.popen.poll() is None, process.log()
        return process

    def start_worker(self, **env: str) -> Process:
        """A worker, ready or not."""
        return self._start([*WORKER, *QUIET, "-n", f"w{len(self._started)}@%h"], {**self.env, **env})

    def scheduler(self) -> Process:
        """A scheduler."""
        return self._start(["-m", "scheduler.main"], self.env)

    def close(self) -> None:
        for process in self._started:
            if process.popen.poll() is None:
                process.kill()

    def _start(self, arguments: list[str], env: dict[str, str]) -> Process:
        process = Process(arguments, env, self._logs / f"process-{len(self._started)}.log")
        self._started.append(process)
        return process

    def _alive(self) -> set[str]:
        with self.database.read() as session:
            return set(workers.warm_by_worker(session))


@contextmanager
def running(env: dict[str, str], logs: Path, database: Database) -> Iterator[Stack]:
    """A stack without processes yet; whatever was started in it ends with the block."""
    stack = Stack(env, logs, database)
    try:
        yield stack
    finally:
        stack.close()
