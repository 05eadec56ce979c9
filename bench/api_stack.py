"""An API server on a database of its own, without workers, to measure submission and export with."""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path

from bench.library_rows import open_database
from db import keys
from db.engine import Database
from tests.support.api import KEY, Server, api_server
from tests.support.valkey import valkey_server

SECRET = "whsec_" + "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0"


@dataclass(frozen=True)
class Api:
    """A server, its database, and the tenant whose key the server knows."""

    server: Server
    database: Database
    tenant: str

    def submit(self, body: bytes, query: str, content_type: str = "application/x-ndjson") -> tuple[str, float]:
        """Submit a body; the job's id, and the seconds it took."""
        began = time.monotonic()
        status, _, answer = self.server.ask("POST", f"/v1/jobs?{query}", body, Content_Type=content_type)
        took = time.monotonic() - began
        if status != 202:
            raise RuntimeError(answer[:500])
        return str(json.loads(answer)["id"]), took

    def download(self, job: str, accept: str) -> tuple[int, float]:
        """Read all results; the bytes, and the seconds it took."""
        began = time.monotonic()
        connection = HTTPConnection("127.0.0.1", self.server.port, timeout=600)
        headers = {"Authorization": f"Bearer {KEY}", "Accept": accept}
        connection.request("GET", f"/v1/jobs/{job}/results", headers=headers)
        answer = connection.getresponse()
        size = 0
        while block := answer.read(1 << 20):
            size += len(block)
        connection.close()
        return size, time.monotonic() - began

    def cpu_s(self) -> float:
        """Seconds of processor time that the server has used."""
        ticks = 0
        for pid in self._pids():
            fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
            ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")

    def peak_mb(self) -> float:
        """The most memory that its process with the most memory has had."""
        lines = [line for pid in self._pids() for line in Path(f"/proc/{pid}/status").read_text().splitlines()]
        return max(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))

    def _pids(self) -> list[int]:
        """The server and its children, which do the work."""
        pid = self.server.process.pid
        tasks = Path(f"/proc/{pid}/task").iterdir()
        return [pid, *(int(child) for task in tasks for child in (task / "children").read_text().split())]


@contextmanager
def running_api(kind: str) -> Iterator[Api]:
    """An API on "sqlite" or "postgresql"; everything is gone afterwards."""
    with (
        open_database(kind) as database,
        valkey_server() as redis_url,
        tempfile.TemporaryDirectory(prefix="tagline-bench-") as folder,
    ):
        with database.write() as session:
            keys.ensure_first_key(session, KEY, SECRET)
            owner = keys.authenticate(session, KEY)
        assert owner is not None
        url = database.engine.url.render_as_string(hide_password=False)
        env = {"TAGLINE_DATA_DIR": folder, "TAGLINE_REDIS_URL": redis_url, "TAGLINE_DATABASE_URL": url}
        with api_server(env, Path(folder) / "api.log") as server:
            yield Api(server, database, owner.tenant_id)
