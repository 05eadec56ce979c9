"""`tagline up` as a person runs it: a process, a data folder, a port."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from cli.client.connection import Client
from cli.client.inputs import upload
from cli.client.submit import submit_json
from cli.stack.health import why_not_ready
from cli.stack.orphans import marked
from core.settings import ClientSettings
from tests.support.photos import SAMPLES
from tests.support.ports import free_port
from tests.support.waiting import until

KEY = "key-of-the-tests"
PATIENCE_S = 300.0  # only what is broken takes as long
PROGRAMS = {"valkey": "valkey-server", "api": "granian", "worker": "celery", "scheduler": "scheduler.main"}


class Up:
    """One `tagline up`; may be started again and again in the same folder."""

    def __init__(self, data: Path, port: int, env: Mapping[str, str] | None = None) -> None:
        self.data = data
        self.env = {"TAGLINE_CHUNK_SIZE": "8", **(env or {})}
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self.output = data.parent / "up.txt"
        self.process: subprocess.Popen[bytes] | None = None
        self.client = Client(ClientSettings(url=self.url, api_key=KEY))

    def start(self, *arguments: str, key: str = KEY) -> subprocess.Popen[bytes]:
        """Start it, without waiting."""
        command = [sys.executable, "-m", "cli.main", "up", "--port", str(self.port), "--data", str(self.data)]
        environment = {**os.environ, "TAGLINE_API_KEY": key, **self.env}
        with self.output.open("ab") as out:
            self.process = subprocess.Popen(
                [*command, *arguments], env=environment, stdout=out, stderr=out, start_new_session=True
            )
        return self.process

    def start_and_wait(self, *arguments: str) -> None:
        """Start it, and wait until it says that it is ready."""
        before = self.said().count("ready at")
        process = self.start(*arguments)
        until(
            lambda: self.said().count("ready at") > before or process.poll() is not None,
            timeout_s=PATIENCE_S,
            what="the ready line",
        )
        assert process.poll() is None, self.said()
        assert why_not_ready(self.url, PATIENCE_S) is None

    def said(self) -> str:
        """Everything it has written to its terminal."""
        return self.output.read_text(errors="replace") if self.output.exists() else ""

    def pids(self, name: str) -> list[int]:
        """The live processes of one of its services."""
        return [pid for pid in marked(self.data) if PROGRAMS[name] in command_line(pid)]

    def stop(self) -> tuple[int, float]:
        """SIGTERM; the exit code and the seconds it took."""
        assert self.process is not None
        began = time.monotonic()
        self.process.terminate()
        return self.process.wait(timeout=PATIENCE_S), time.monotonic() - began

    def kill(self) -> None:
        """kill -9 of everything at once."""
        assert self.process is not None
        send([self.process.pid, *marked(self.data)], signal.SIGKILL)
        self.process.wait()

    def end(self) -> None:
        """Whatever is left of it is killed."""
        if self.process is not None and self.process.poll() is None:
            self.kill()
        send(marked(self.data), signal.SIGKILL)

    def submit(self, count: int) -> dict[str, Any]:
        """A job with one photo, many times."""
        photo = upload(self.client, SAMPLES / "cat.jpg")
        return submit_json(self.client, {"tasks": ["classify"], "inputs": [{"upload": photo}] * count})

    def finished(self, job: dict[str, Any]) -> dict[str, Any]:
        """The job once it has ended."""

        def look() -> dict[str, Any] | None:
            now: dict[str, Any] = self.client.call("GET", f"/v1/jobs/{job['id']}")
            return now if now["finished_at"] else None

        return until(look, timeout_s=PATIENCE_S, what=f"the job {job['id']}")  # type: ignore[return-value]


def send(pids: Iterable[int], number: int) -> None:
    """A signal to each; the end of one may be the end of others before their turn."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def command_line(pid: int) -> str:
    """What a process was started as; empty if it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Up]:
    """A `tagline up` that is not started yet; whatever is left of it is killed at the end."""
    service = Up(tmp_path / "data", free_port())
    try:
        yield service
    finally:
        service.end()
