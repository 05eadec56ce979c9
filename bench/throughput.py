"""Images per second through the full stack, and its ratio to the floor, interleaved in one run.

`make bench` makes 2,000 photos of 500x375, serves them from a process on loopback, and in turn lets the bare process
of bench/floor.py and a whole `tagline up` classify them all. The clock runs from the submission to the last result.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.photos import make_photos

KEY = "bench-key"
READY_S = 120.0
DONE_S = 1800.0


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def _process(command: list[str], **env: str) -> Iterator[None]:
    child = subprocess.Popen(command, env={**os.environ, **env}, stdout=subprocess.DEVNULL)
    try:
        yield
    finally:
        child.terminate()
        child.wait(timeout=30)


def _call(url: str, body: bytes | None = None, kind: str = "application/json") -> Any:
    request = urllib.request.Request(url, data=body, headers={"Authorization": f"Bearer {KEY}", "Content-Type": kind})
    with urllib.request.urlopen(request, timeout=70) as answer:
        return json.load(answer)


def _wait_ready(base: str) -> None:
    deadline = time.monotonic() + READY_S
    while True:
        try:
            _call(f"{base}/readyz")
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


def run_job(base: str, tasks: str, body: bytes, kind: str, count: int) -> tuple[float, float]:
    """Submit a body of that media type and wait for the end; the seconds that the submission took, and all of it."""
    started = time.monotonic()
    job = _call(f"{base}/v1/jobs?tasks={tasks}", body, kind)
    submitted = time.monotonic() - started
    while True:
        request = urllib.request.Request(
            f"{base}/v1/jobs/{job['id']}", headers={"Authorization": f"Bearer {KEY}", "Prefer": "wait=30"}
        )
        with urllib.request.urlopen(request, timeout=70) as answer:
            job = json.load(answer)
        if job["finished_at"]:
            break
        if time.monotonic() - started > DONE_S:
            raise TimeoutError(job)
    took = time.monotonic() - started
    if job["counts"]["succeeded"] != count:
        raise RuntimeError(f"not every input succeeded: {job['counts']}")
    return submitted, took


def _through_the_stack(base: str, urls: list[str]) -> float:
    """Submit the URLs as one text file and wait for the end; the seconds it took."""
    return run_job(base, "classify", "\n".join(urls).encode(), "text/plain", len(urls))[1]


def _floor(folder: Path) -> float:
    done = subprocess.run([sys.executable, "-m", "bench.floor", str(folder)], check=True, capture_output=True)
    return float(done.stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tagline-bench-") as folder:
        photos, port, files = Path(folder) / "photos", _free_port(), _free_port()
        make_photos(photos, given.count)
        urls = [f"http://127.0.0.1:{files}/{path.name}" for path in sorted(photos.glob("*.jpg"))]
        base = f"http://127.0.0.1:{port}"
        server = [sys.executable, "-m", "bench.file_server", str(photos), str(files)]
        stack = [sys.executable, "-m", "cli.main", "up", "--port", str(port), "--data", f"{folder}/data"]
        rows = []
        for number in range(given.rounds):
            floor = _floor(photos)
            allow = {"TAGLINE_API_KEY": KEY, "TAGLINE_ALLOW_HOSTS": f"127.0.0.1:{files}"}
            with _process(server), _process(stack, **allow):
                _wait_ready(base)
                _through_the_stack(base, urls[:64])
                full = given.count / _through_the_stack(base, urls)
            rows.append((floor, full))
            print(f"round {number + 1}: floor {floor:6.1f} img/s   full stack {full:6.1f} img/s   {full / floor:.2f}")
        ratio = statistics.median(full / floor for floor, full in rows)
        floor, full = (statistics.median(column) for column in zip(*rows, strict=True))
        print(f"median:  floor {floor:6.1f} img/s   full stack {full:6.1f} img/s   ratio {ratio:.2f}")


if __name__ == "__main__":
    main()
