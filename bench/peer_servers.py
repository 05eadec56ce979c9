"""Starting the peers, each in its own environment, and asking them as 32 clients do."""

from __future__ import annotations

import http.client
import json
import os
import queue
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from bench.stack import free_port, wait_until

ROOT = Path(__file__).resolve().parent.parent
CLIENTS = 32
PEERS_ENVIRONMENT = "BENCH_PEERS"  # an environment variable: the virtual environment that bench/peers needs


@dataclass(frozen=True, slots=True)
class Peer:
    """One of the others. `module`: of bench/peers; `package`: what has to be installed for it; `lists`: its requests
    and answers are lists of one."""

    name: str
    package: str
    path: str
    module: str
    lists: bool = False


PEERS = (
    Peer("LitServe", "litserve", "/predict", "litserve_app"),
    Peer("mosec", "mosec", "/inference", "mosec_app"),
    Peer("BentoML", "bentoml", "/predict", "bentoml_app", lists=True),
    Peer("Ray Serve", "ray", "/", "ray_app"),
)


def installed(peer: Peer, environment: Path) -> bool:
    """Whether an environment has what a peer needs."""
    python = environment / "bin" / "python"
    if not python.exists():
        return False
    probe = f"import importlib.util as u, sys; sys.exit(u.find_spec({peer.package!r}) is None)"
    return subprocess.run([str(python), "-c", probe], check=False).returncode == 0


@contextmanager
def peer_server(peer: Peer, environment: Path, model: Path, folder: Path) -> Iterator[int]:
    """A peer, listening; gives its port. Everything that it started ends with it."""
    port, binaries = free_port(), environment / "bin"
    command = [str(binaries / "python"), "-m", f"bench.peers.{peer.module}"]
    if peer.package == "bentoml":
        target = f"bench.peers.{peer.module}:Classify"
        command = [str(binaries / "bentoml"), "serve", target, "--host", "127.0.0.1", "--port", str(port)]
        command += ["--working-dir", str(ROOT)]
    paths = f"{binaries}:{os.environ.get('PATH', '')}"
    env = {**os.environ, "PATH": paths, "PYTHONPATH": str(ROOT), "PEER_MODEL": str(model), "PEER_PORT": str(port)}
    env |= {"BENTOML_HOME": str(folder / "bentoml"), "BENTOML_DO_NOT_TRACK": "1", "RAY_USAGE_STATS_ENABLED": "0"}
    with (folder / f"{peer.module}.log").open("ab") as log:
        child = subprocess.Popen(command, env=env, cwd=folder, stdout=log, stderr=log, start_new_session=True)
        try:
            yield port
        finally:
            _end_all(child)


def ask(peer: Peer, port: int, urls: Sequence[str]) -> tuple[float, int]:
    """Have all URLs classified by 32 clients; the seconds it took, and how many failed."""
    waiting: queue.SimpleQueue[str] = queue.SimpleQueue()
    for url in urls:
        waiting.put(url)
    failed = [0] * CLIENTS

    def serve(number: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        while True:
            try:
                url = waiting.get_nowait()
            except queue.Empty:
                connection.close()
                return
            try:
                _ask_one(connection, peer, url)
            except (OSError, http.client.HTTPException, ValueError):
                failed[number] += 1
                connection.close()

    threads = [threading.Thread(target=serve, args=(number,)) for number in range(CLIENTS)]
    started = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return time.monotonic() - started, sum(failed)


def wait_ready(peer: Peer, port: int, url: str) -> None:
    """Wait until a peer answers."""

    def probe() -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        try:
            _ask_one(connection, peer, url)
        except (http.client.HTTPException, ValueError) as error:
            raise OSError(str(error)) from error
        finally:
            connection.close()
        return True

    wait_until(probe)


def _ask_one(connection: http.client.HTTPConnection, peer: Peer, url: str) -> None:
    asked = {"url": [url] if peer.lists else url}
    connection.request("POST", peer.path, json.dumps(asked), {"Content-Type": "application/json"})
    answer = connection.getresponse()
    body = answer.read()
    if answer.status != 200:
        raise ValueError(f"{peer.name} answered {answer.status}")
    found = json.loads(body)
    if not (found[0] if peer.lists else found)["labels"]:
        raise ValueError(f"{peer.name} found nothing")


def _end_all(child: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        child.wait(timeout=15)
    with suppress(ProcessLookupError):  # what the first did not wait for
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()
