"""What open event streams cost the API: `python -m bench.open_streams [STREAMS] [JOBS]`.

Starts a broker and the API on a new data folder, follows the jobs from this process, has them cancelled, and prints
what the API's process held meanwhile and how long it took until every stream had its `finished`. Decision 0130 has the
numbers of two cores.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path
from statistics import median
from time import perf_counter, sleep

from core.file_limit import raise_file_limit
from core.settings import load_settings
from db import keys
from db.engine import Database
from db.migrate import migrate
from tests.support.api import KEY, Server, api_server
from tests.support.sse import Listener, read_until
from tests.support.valkey import valkey_server


def main(streams: int, jobs: int) -> None:
    raise_file_limit()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tagline-bench-")))
        database = stack.enter_context(closing(Database(load_settings(data_dir=folder).sql_url)))
        migrate(database)
        with database.write() as session:
            keys.ensure_first_key(session, KEY, "whsec_" + "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0")
        env = {"TAGLINE_DATA_DIR": str(folder), "TAGLINE_REDIS_URL": stack.enter_context(valkey_server()),
               "TAGLINE_MAX_WAITING": str(2 * streams)}  # fmt: skip
        server = stack.enter_context(api_server(env, folder / "api.log"))
        paths = [f"/v1/jobs/{server.submit('http://a/1')}" for _ in range(jobs)]
        print("nobody waits:", held(server))
        begun = perf_counter()
        listeners = [Listener(server, f"{paths[n % jobs]}/events") for n in range(streams)]
        for listener in listeners:
            stack.callback(listener.close)
        read_until(listeners, lambda one: b"event: progress\n" in one.got)
        print(f"{streams} streams of {jobs} jobs, open after {perf_counter() - begun:.1f} s:", held(server))
        before = cpu_s(server)
        sleep(5)
        print(f"5 s of nothing: {cpu_s(server) - before:.2f} s of CPU")
        asked = [timed(lambda: server.ask("GET", "/v1/jobs?limit=1")) for _ in range(50)]
        print(f"an ordinary request meanwhile: {median(asked) * 1000:.1f} ms")
        begun = perf_counter()
        for path in paths:
            server.ask("POST", f"{path}/cancel")
        cancelled = perf_counter()
        read_until(listeners, lambda one: b"event: finished\n" in one.got)
        print(f"cancelling took {cancelled - begun:.2f} s; all finished {perf_counter() - cancelled:.2f} s after it")


def timed(work: Callable[[], object]) -> float:
    begun = perf_counter()
    work()
    return perf_counter() - begun


def _process(server: Server) -> Path:
    """Of the process that does the work: the server's first one starts it."""
    children = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text().split()
    return max((Path(f"/proc/{child}") for child in children), key=lambda path: len(list((path / "task").iterdir())))


def held(server: Server) -> str:
    process = _process(server)
    fields = dict(line.split(":", 1) for line in (process / "status").read_text().splitlines())
    files = len(list((process / "fd").iterdir()))
    return f"{int(fields['VmRSS'].split()[0]) / 1024:.0f} MiB, {fields['Threads'].strip()} threads, {files} files"


def cpu_s(server: Server) -> float:
    """Seconds that it has spent computing."""
    ticks = (_process(server) / "stat").read_text().rsplit(")", 1)[1].split()
    return (int(ticks[11]) + int(ticks[12])) / 100


if __name__ == "__main__":
    main(*(int(given) for given in (sys.argv[1:] + ["2000", "200"][len(sys.argv) - 1 :])))
