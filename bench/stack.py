"""The full stack for a benchmark: `tagline up` on a data folder or a database of its own, and jobs of many URLs."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

KEY = "bench-key"
READY_S = 180.0
DONE_S = 1800.0


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def process(command: Sequence[str], log: Path, **env: str) -> Iterator[int]:
    """A program for as long as the block lasts, with all that it starts; gives its process id."""
    with log.open("ab") as output:
        child = subprocess.Popen(
            command, env={**os.environ, **env}, stdout=output, stderr=output, start_new_session=True
        )
        try:
            yield child.pid
        finally:
            _end(child)


@contextmanager
def photo_urls(photos: Path, log: Path) -> Iterator[tuple[str, list[str]]]:
    """A folder of photos behind a server of its own: host:port, and the URLs."""
    place = f"127.0.0.1:{free_port()}"
    command = [sys.executable, "-m", "bench.file_server", str(photos), place.rpartition(":")[2]]
    with process(command, log):
        urls = [f"http://{place}/{path.name}" for path in sorted(photos.glob("*.jpg"))]
        wait_until(lambda: urllib.request.urlopen(urls[0], timeout=5).status == 200)
        yield place, urls


@dataclass(frozen=True, slots=True)
class Stack:
    """A running service at `base`; `pid` is its supervisor's."""

    base: str
    pid: int

    def run(self, urls: Sequence[str], tasks: str = "classify") -> float:
        """Submit the URLs as one text file and wait for the last result; the seconds it took.

        Raises:
            RuntimeError: not every photo succeeded.
        """
        return self.run_body(f"{tasks}&priority=bulk", "\n".join(urls).encode(), "text/plain", len(urls))[1]

    def run_body(self, tasks: str, body: bytes, kind: str, count: int) -> tuple[float, float]:
        """Submit a body of that media type and wait for the end: seconds of the submission alone, and of all of it.

        Raises:
            RuntimeError: not every one of its `count` inputs succeeded.
        """
        started = time.monotonic()
        job = self.call(f"/v1/jobs?tasks={tasks}", body, {"Content-Type": kind})
        submitted = time.monotonic() - started
        while not job["finished_at"]:
            if time.monotonic() - started > DONE_S:
                raise TimeoutError(job)
            job = self.call(f"/v1/jobs/{job['id']}", None, {"Prefer": "wait=30"})
        took = time.monotonic() - started
        if job["counts"]["succeeded"] != count:
            raise RuntimeError(f"not every input succeeded: {job['counts']}")
        return submitted, took

    def call(self, path: str, body: bytes | None, headers: dict[str, str]) -> Any:
        """Ask the API, with POST if there is a body; the answer's JSON."""
        headers = {"Authorization": f"Bearer {KEY}", **headers}
        request = urllib.request.Request(self.base + path, data=body, headers=headers)
        with urllib.request.urlopen(request, timeout=70) as answer:
            return json.load(answer)


@contextmanager
def full_stack(folder: Path, files: str = "", **env: str) -> Iterator[Stack]:
    """The service, ready, allowed to fetch from `files` (host:port); SQLite in the folder unless `env` says else."""
    port = free_port()
    command = [sys.executable, "-m", "cli.main", "up", "--port", str(port), "--data", str(folder / "data")]
    settings = {"TAGLINE_API_KEY": KEY, "TAGLINE_ALLOW_HOSTS": files, "TAGLINE_LOG_LEVEL": "warning"}
    settings |= {"TAGLINE_CALIBRATE": "false", **env}  # it would measure in a pause of the bench
    with process(command, folder / "stack.log", **settings) as pid:
        base = f"http://127.0.0.1:{port}"
        wait_until(lambda: urllib.request.urlopen(f"{base}/readyz", timeout=5).status == 200)
        yield Stack(base, pid)


def wait_until(probe: Any, limit_s: float = READY_S) -> None:
    """Try until it is true and raises no OSError."""
    deadline = time.monotonic() + limit_s
    while True:
        try:
            if probe():
                return
        except OSError:
            pass
        if time.monotonic() > deadline:
            raise TimeoutError("a server did not become ready; its log says why")
        time.sleep(0.2)


def _end(child: subprocess.Popen[bytes]) -> None:
    child.terminate()
    try:
        child.wait(timeout=30)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
