"""A worker that is out of file descriptors, ports or threads says so, blames no host, names no path, and recovers.

The limits are real ones, in a process of their own.
"""

from __future__ import annotations

import errno
import json
import subprocess
import sys
import threading
from concurrent.futures import Future
from pathlib import Path

import pytest

from core.errors import ItemError
from core.outbound.http.client import HttpClient
from core.settings import load_settings
from core.shortage import is_shortage
from core.states import Priority
from worker.sources import registry
from worker.sources.source import PooledSource

ROOT = Path(__file__).resolve().parents[2]
LIMIT_S = 120.0

SCRIPT = """
import json, os, resource, socket, sys
from core.outbound.http.client import HttpClient, Request
from core.settings import load_settings

host, spare = sys.argv[1], int(sys.argv[2])
listener = socket.create_server(("127.0.0.1", 0))
place = f"{host}:{listener.getsockname()[1]}"
client = HttpClient(load_settings(allow_hosts=(place,)))

def fetch():
    request = Request(f"http://{place}/", timeout_s=2, host_aware=True, retries=1)
    error = client.request(request).exception(150)
    return [error.code, error.message, error.permanent]

hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
for name in ("/etc/hosts", "/etc/resolv.conf"):
    open(name).close()
lowest = os.dup(0)
os.close(lowest)
resource.setrlimit(resource.RLIMIT_NOFILE, (lowest + spare, hard))
short = fetch()
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
listener.close()
print(json.dumps([short, fetch()]))
client.close()
"""


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
@pytest.mark.parametrize("spare", [0, 1])
def test_out_of_file_descriptors(host: str, spare: int) -> None:
    """With one to spare a socket can be made but not used; a name cannot even be looked up."""
    command = [sys.executable, "-c", SCRIPT, host, str(spare)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=180, check=True)
    (code, message, permanent), later = json.loads(done.stdout)
    assert (code, permanent) == ("worker_resources", False), done.stderr
    assert host not in message
    assert "/" not in message
    assert later[0] == "fetch_refused"  # it can dial again


@pytest.mark.parametrize(
    "error",
    [
        *(OSError(number, "x") for number in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)),
        OSError(errno.EADDRNOTAVAIL, "Cannot assign requested address"),
        MemoryError(),
        RuntimeError("can't start new thread"),
        ConnectionError("Failed to establish a new connection: [Errno 24] Too many open files"),  # as urllib3 wraps it
        ValueError("dispatch failure: Too many open files (os error 24)"),  # as Rust prints it
        ItemError("s3_unavailable", "the bucket could not be reached"),
    ],
)
def test_shortages_are_known_by_their_causes(error: Exception) -> None:
    if isinstance(error, ItemError):
        error.__cause__ = OSError(errno.EMFILE, "Too many open files")
    assert is_shortage(error)


@pytest.mark.parametrize(
    "error",
    [
        FileNotFoundError(errno.ENOENT, "x"),
        ConnectionRefusedError(errno.ECONNREFUSED, "x"),
        ValueError("24"),
        RuntimeError("cannot schedule new futures after shutdown"),
        OSError("no number"),
        None,
    ],
)
def test_other_failures_are_none(error: Exception | None) -> None:
    assert not is_shortage(error)


class Source(PooledSource):
    """Fails with whatever it is made with."""

    def __init__(self, error: Exception | None) -> None:
        super().__init__("test", 1)
        self._error = error

    def load(self, ref: str, tenant_id: str) -> bytes:
        if self._error is not None:
            raise self._error
        return b"read"


def failure(answer: Future[bytes]) -> ItemError:
    error = answer.exception(LIMIT_S)
    assert isinstance(error, ItemError)
    return error


def test_a_source_that_lacks_something_says_so_and_any_other_names_no_path() -> None:
    short = Source(OSError(errno.EMFILE, "Too many open files", "/srv/uploads/ab"))
    assert failure(short.fetch("x", "acme")).code == "worker_resources"
    broken = Source(PermissionError(errno.EACCES, "Permission denied", "/srv/uploads/ab"))
    error = failure(broken.fetch("x", "acme"))
    assert (error.code, error.permanent) == ("fetch_failed", False)
    assert "/" not in error.message
    for source in (short, broken):
        source.close()


def test_no_thread_to_read_with(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    source = Source(None)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refused)
        assert failure(source.fetch("x", "acme")).code == "worker_resources"
    assert source.fetch("x", "acme").result(LIMIT_S) == b"read"
    source.close()
    assert failure(source.fetch("x", "acme")).message == "the worker is shutting down"


class Unusable:
    """A source that cannot be made."""

    def __init__(self, context: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", "/srv/uploads")


def test_a_source_that_cannot_be_made_names_no_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(registry.SOURCES, "odd", f"{__name__}.Unusable")
    settings = load_settings(data_dir=tmp_path)
    client = HttpClient(settings)
    sources = registry.open_sources(settings, client, lambda tenant, ref: None)
    error = failure(sources.fetch("odd", "x", "acme"))
    assert (error.code, error.message) == ("fetch_failed", "the odd source cannot be used: PermissionError")
    sources.close()
    client.close()


def test_interactive_inputs_do_not_wait_behind_others() -> None:
    """All threads are busy, and more waits: what is interactive is read all the same."""
    free = threading.Event()

    class Slow(PooledSource):
        def load(self, ref: str, tenant_id: str) -> bytes:
            if ref == "slow":
                free.wait(LIMIT_S)
            return ref.encode()

    source = Slow("slow", 2)
    stuck = [source.fetch("slow", "acme") for _ in range(5)]
    assert source.fetch("quick", "acme", Priority.INTERACTIVE).result(LIMIT_S) == b"quick"
    assert not any(one.done() for one in stuck)
    free.set()
    source.close()
